// Brings a trainer's safetensors file into the one form that is uploaded: tensors sorted by name, no metadata, so that every
// update of a run has the same layout and the coordinator can read any slice of it by range.
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { FedsamError } from '#protocol/errors.ts'
import { canonicalHeader, headerLength, parseHeader, type SafetensorsHeader } from '#protocol/safetensors.ts'

/** Bytes of a file that are read to begin with: most headers are shorter. */
const FIRST_READ = 16 * 1024

/** Rewrites the file in place where it is not canonical already. Throws TrainerFailed for what is not safetensors. */
export async function canonicalise(file: string): Promise<void> {
  const { header, parsed } = await readHeader(file)
  const sorted = [...parsed.tensors].sort((a, b) => (a.name < b.name ? -1 : 1))
  const wanted = canonicalHeader(sorted)
  if (Buffer.compare(header, wanted) === 0) return
  async function* body(): AsyncGenerator<Uint8Array> {
    yield wanted
    for (const { begin, end } of sorted) {
      if (end > begin)
        yield* createReadStream(file, { start: parsed.dataOffset + begin, end: parsed.dataOffset + end - 1 })
    }
  }
  const draft = `${file}.canonical`
  await pipeline(body(), createWriteStream(draft))
  await rename(draft, file)
}

async function readHeader(file: string): Promise<{ header: Uint8Array; parsed: SafetensorsHeader }> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new FedsamError('TrainerFailed', 'the trainer wrote no parameters', { cause })
  })
  try {
    const { size } = await handle.stat()
    const first = new Uint8Array(FIRST_READ)
    const { bytesRead } = await handle.read(first, 0, first.length, 0)
    const length = 8 + headerLength(first.subarray(0, bytesRead))
    if (length <= bytesRead)
      return { header: first.subarray(0, length), parsed: parseHeader(first.subarray(0, length), size) }
    const header = new Uint8Array(length)
    await handle.read(header, 0, length, 0)
    return { header, parsed: parseHeader(header, size) }
  } catch (cause) {
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    throw new FedsamError('TrainerFailed', `the trainer's parameters are not a safetensors file${why}`, {
      cause,
    })
  } finally {
    await handle.close()
  }
}
