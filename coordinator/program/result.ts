// Records the result of a program: its model and its files first, program/result.json last. A life that is killed on the way leaves files
// that the next life of the same coordinator writes again: they must have the same bytes then. Another coordinator writes its own.
import { createHash } from 'node:crypto'
import type { PayloadDigest } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { ProgramResult } from '#protocol/exchange.ts'
import { programKeys } from '#protocol/keys.ts'
import { SafetensorsError } from '#protocol/safetensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { Marked } from '../record/markers.ts'
import { fileFault } from '../record/program-output.ts'
import { localFile, locate } from '../record/tensor-files.ts'
import type { ProgramContext } from './context.ts'
import { type Position, programDiffered } from './conversation.ts'
import { digestFile, fileWithin, storeFile } from './scratch.ts'
import { type Call, countedMetrics, WrongCall } from './seam.ts'

/** Bytes of one read. */
const READ_BYTES = 8 * 1024 * 1024

/** Throws WrongCall, and RunFailed where an earlier life ended otherwise. */
export async function recordResult(
  { markers, program, guard, log }: Pick<ProgramContext, 'markers' | 'program' | 'guard' | 'log'>,
  call: Extract<Call, { call: 'result' }>,
  { exchange, previous, lists }: Position,
  round: number | null,
): Promise<Marked<ProgramResult>> {
  const { store } = markers
  if ((await markers.ask(exchange + 1)) !== undefined)
    throw programDiffered(
      `it has a result after exchange ${exchange}; the record has an exchange ${exchange + 1}`,
    )
  const fault = fileFault(call.files)
  if (fault !== undefined) throw new WrongCall(`the result's files: ${fault}`, 'name other files')
  const model = call.model === null ? null : await modelOf(program.folder, call.model)
  const found = new Map<string, PayloadDigest & { readonly path: string }>()
  for (const name of call.files) {
    const path = await fileWithin(program.folder, name)
    found.set(name, { path, ...(await digestFile(path)) })
  }
  guard.throwIfStopped()
  const keys = programKeys(markers.epoch)
  if (model !== null) await keep(store, keys.model, model)
  for (const [name, file] of found) await keep(store, keys.file(name), file)
  return markers.writeProgram({
    schema: 'fedsam.program/1',
    exchanges: exchange,
    previous,
    lists: [...lists],
    round,
    model: model && { key: keys.model, size: model.size, sha256: model.sha256, blocks: model.blocks },
    metrics: { ...countedMetrics(call, log) },
    files: [...found].map(([name, { size, sha256 }]) => ({ name, size, sha256 })),
  })
}

/** Deletes what coordinators left whose result does not count. Never rejects. */
export async function deleteOtherResults(
  { store, epoch: newest }: Pick<ProgramContext['markers'], 'store' | 'epoch'>,
  { epoch, files }: ProgramResult,
): Promise<void> {
  for (let other = 1; other <= newest; other += 1) {
    if (other === epoch) continue
    const keys = programKeys(other)
    for (const key of [keys.model, ...files.map(({ name }) => keys.file(name))])
      await store.delete(key).catch(() => {})
  }
}

type ResultFile = PayloadDigest & { readonly path: string }

/** The model's file, with its digests. Throws WrongCall for a file that is no safetensors file. */
async function modelOf(folder: string, named: string): Promise<ResultFile> {
  const path = await fileWithin(folder, named)
  const digest = await digestFile(path)
  try {
    await locate([localFile(path, digest.size)])
  } catch (error) {
    if (!(error instanceof SafetensorsError) && !(error instanceof RangeError)) throw error
    throw new WrongCall(
      `the model ${named} is no safetensors file: ${error.message}`,
      'write it with safetensors, or name it in files',
    )
  }
  return { path, ...digest }
}

/** Stores a file; an object that an earlier life left must have the same bytes. */
async function keep(store: ObjectStore, key: string, file: ResultFile): Promise<void> {
  const size = await store.size(key)
  if (size === undefined) return storeFile(store, key, file.path, file)
  const hash = createHash('sha256')
  for (let offset = 0; offset < size; offset += READ_BYTES) {
    const part = await store.get(key, { offset, length: Math.min(READ_BYTES, size - offset) })
    if (part === undefined) throw new FedsamError('RecordDamaged', `${key} is missing`)
    hash.update(part)
  }
  const sha256 = hash.digest('hex')
  if (sha256 !== file.sha256) throw programDiffered(`its result has another file than before, for ${key}`)
}
