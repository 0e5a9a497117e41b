// Reads the file of model.initialParameters and compares it with the tensors that the trainer trains, before a run has a record.
// The command line checks it before it starts a run. The coordinator checks it again, because in a cluster no command line ran.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { keptTensors } from '#protocol/half.ts'
import type { TensorSpec } from '#protocol/tensors.ts'
import { tensorDifference } from '../aggregation/tensor-difference.ts'
import { type Located, localFile, locate } from '../record/tensor-files.ts'

const FIELD = 'spec.model.initialParameters'

/** Selects the names of the tensors that train. */
export type Select = (names: readonly string[]) => string[]

/** The tensors of the file. Throws BadCheckpoint, which names the field and the file. */
export async function readInitialFile(path: string): Promise<Located[]> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true) throw bad(`${FIELD}: there is no file ${path}`)
  try {
    return await locate([localFile(path, found.size)])
  } catch (cause) {
    throw bad(`${FIELD}: ${path} is not a readable safetensors file`, cause)
  }
}

function bad(message: string, cause?: unknown): FedsamError {
  const remedy = 'name a .safetensors file, or remove the field'
  return new FedsamError('BadCheckpoint', message, cause === undefined ? { remedy } : { remedy, cause })
}

/** Throws BadCheckpoint unless the file has the tensors that train, each with its shape and dtype, and no others. */
export function compareInitial(
  path: string,
  found: readonly TensorSpec[],
  wanted: readonly TensorSpec[],
): void {
  const difference = tensorDifference(keptTensors(wanted), keptTensors(found))
  if (difference === '') return
  throw new FedsamError(
    'BadCheckpoint',
    `${FIELD}: ${path} has other tensors than the trainer trains: ${difference}`,
    {
      remedy:
        "name a model of this job, such as the output's model.safetensors of an earlier run, or remove the field",
    },
  )
}

/** Checks the file. `base` is the checkpoint of a built-in trainer; null for a Command trainer, whose tensors only it knows. */
export async function checkInitialFile(
  path: string,
  base: { readonly folder: string; readonly select: Select } | null,
): Promise<void> {
  const found = await readInitialFile(path)
  if (base !== null) compareInitial(path, found, await trainedTensors(base.folder, base.select))
}

/** The tensors of a checkpoint folder that train. */
export async function trainedTensors(folder: string, select: Select): Promise<Located[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))
  const files = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name)
      return localFile(file, (await stat(file)).size)
    }),
  )
  return selected(await locate(files), select)
}

/** The tensors that train. */
export function selected<T extends TensorSpec>(all: readonly T[], select: Select): T[] {
  const names = new Set(select(all.map(({ name }) => name)))
  return all.filter(({ name }) => names.has(name))
}
