// Reads a trainer's file of parameters in pieces of bounded size: its tensors, its digest, and whether all values are finite.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { firstNotFinite } from '#coordinator/aggregation/numbers.ts'
import { copyTensors, type Located, locate, type TensorFile } from '#coordinator/record/tensor-files.ts'
import { FedsamError } from '#protocol/errors.ts'
import { keptTensors } from '#protocol/half.ts'
import { dtypesInOrder } from '#protocol/initial-dtypes.ts'
import { DTYPE_BYTES, type DType } from '#protocol/tensors.ts'
import { readFully } from '#runtime/file-bytes.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { type ForeignFile, openForeign } from '#worker/trainer/foreign-file.ts'
import type { Contents } from './findings.ts'

const PIECE_BYTES = 8 * 1024 * 1024

const REMEDY = 'write a safetensors file to the path that the call names, before the answer'

/** Throws TrainerFailed where the file is missing, not a regular file, or not safetensors. */
export async function readContents(path: string): Promise<Contents> {
  const opened = await openForeign(path, Number.MAX_SAFE_INTEGER, 'the file of parameters')
  if (opened === undefined) {
    throw new FedsamError('TrainerFailed', 'the parameters cannot be read: the trainer wrote no file', {
      remedy: REMEDY,
    })
  }
  try {
    const file = tensorFile(opened)
    const tensors = await locate([file])
    const hash = createHash('sha256')
    for (let offset = 0; offset < file.size; offset += PIECE_BYTES)
      hash.update(await file.read({ offset, length: Math.min(PIECE_BYTES, file.size - offset) }))
    let notFinite = ''
    for (const tensor of tensors) notFinite ||= await findNotFinite(tensor)
    await opened.check()
    return { tensors, digest: hash.digest('hex'), notFinite }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FedsamError('TrainerFailed', `the parameters cannot be read: ${why}`, { cause, remedy: REMEDY })
  } finally {
    await opened.close()
  }
}

/** A file of parameters as a run sends it. */
export interface Handed {
  readonly file: string
  /** The trainer's element types, where the file has wider ones. */
  readonly dtypes?: readonly DType[]
}

/** The file itself, or a copy in `folder` that has 16-bit floats as F32. */
export async function asRunHandsOut(path: string, folder: string): Promise<Handed> {
  const opened = await openForeign(path, Number.MAX_SAFE_INTEGER, 'the file of parameters')
  if (opened === undefined) return { file: path }
  try {
    const came = await locate([tensorFile(opened)])
    const kept = keptTensors(came)
    if (kept.every(({ narrow }) => narrow === undefined)) return { file: path }
    const store = await openFilesystemStore({ folder, durable: false })
    await copyTensors(store, WIDE, kept)
    return { file: join(folder, WIDE), dtypes: dtypesInOrder(came) }
  } finally {
    await opened.close()
  }
}

const WIDE = 'base-as-float32.safetensors'

function tensorFile({ handle, size }: ForeignFile): TensorFile {
  return { size, read: ({ offset, length }) => readFully(handle, offset, new Uint8Array(length)) }
}

async function findNotFinite({ name, dtype, file, range }: Located): Promise<string> {
  for (let at = 0; at < range.length; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, range.length - at)
    const found = firstNotFinite(dtype, await file.read({ offset: range.offset + at, length }))
    if (found >= 0) return `${name}[${at / DTYPE_BYTES[dtype] + found}] is not a finite number`
  }
  return ''
}
