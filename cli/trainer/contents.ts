// Reads a trainer's file of parameters by pieces, whatever its size: its tensors, its digest, and whether all is finite.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { firstNotFinite } from '#coordinator/aggregation/numbers.ts'
import { type Located, localFile, locate } from '#coordinator/tensor-files.ts'
import { FedsamError } from '#protocol/errors.ts'
import { DTYPE_BYTES } from '#protocol/tensors.ts'
import type { Contents } from './findings.ts'

const PIECE_BYTES = 8 * 1024 * 1024

/** Throws TrainerFailed where the file is missing or is not safetensors. */
export async function readContents(path: string): Promise<Contents> {
  try {
    const tensors = await locate([localFile(path, (await stat(path)).size)])
    const hash = createHash('sha256')
    for await (const piece of createReadStream(path)) hash.update(piece)
    let notFinite = ''
    for (const tensor of tensors) notFinite ||= await findNotFinite(tensor)
    return { tensors, digest: hash.digest('hex'), notFinite }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FedsamError('TrainerFailed', `the parameters cannot be read: ${why}`, {
      cause,
      remedy: 'write a safetensors file to the path that the call names, before the answer',
    })
  }
}

async function findNotFinite({ name, dtype, file, range }: Located): Promise<string> {
  for (let at = 0; at < range.length; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, range.length - at)
    const found = firstNotFinite(dtype, await file.read({ offset: range.offset + at, length }))
    if (found >= 0) return `${name}[${at / DTYPE_BYTES[dtype] + found}] is not a finite number`
  }
  return ''
}
