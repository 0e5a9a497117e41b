// Brings a trainer's safetensors file into the one form that is uploaded: tensors sorted by name, no metadata, so that every
// update of a run has the same layout and the coordinator can read any slice of it by range.
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { FedsamError } from '#protocol/errors.ts'
import { canonicalHeader, headerLength, parseHeader } from '#protocol/safetensors.ts'

/** Rewrites the file in place where it is not canonical already. Throws TrainerFailed for what is not safetensors. */
export async function canonicalise(file: string): Promise<void> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new FedsamError('TrainerFailed', 'the trainer wrote no parameters', { cause })
  })
  let header: Uint8Array
  let size: number
  try {
    size = (await handle.stat()).size
    const first = new Uint8Array(8)
    await handle.read(first, 0, 8, 0)
    header = new Uint8Array(8 + headerLength(first))
    await handle.read(header, 0, header.length, 0)
  } catch (cause) {
    throw new FedsamError('TrainerFailed', "the trainer's parameters are not a safetensors file", { cause })
  } finally {
    await handle.close()
  }
  const parsed = parseHeader(header, size)
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
