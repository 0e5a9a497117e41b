// Hugging Face checkpoints of SAM as folders: config.json, model.safetensors or its shards. Promises: what is returned
// is complete and of the right shapes, or BadCheckpoint names every missing, extra and misshapen tensor; files are read
// tensor by tensor, so their size is no limit. Leaves fetching a checkpoint, and image preprocessing, to others.
import { type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { isFloat32Readable } from '#protocol/half.ts'
import { headerLength, parseHeader, SafetensorsError, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor, TensorSpec } from '#protocol/tensors.ts'
import { parseSamConfig, type SamConfig } from './config.ts'
import { POSITIONAL, POSITIONAL_ALIAS, tensorShapes } from './tensor-names.ts'

/** A checkpoint in memory. Tensors keep the file's dtype and go by their names, the tied one by its shared name. */
export interface Checkpoint {
  readonly config: SamConfig
  /** config.json as it stands in the file, to be written back with a changed model. */
  readonly configJson: string
  readonly tensors: ReadonlyMap<string, Tensor>
}

const WEIGHTS = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
/** Names listed in full in an error message; more are counted. */
const LISTED = 5

/** Reads and checks a folder. BadCheckpoint says what is wrong with which file or tensor. */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const configJson = await textOf(join(folder, 'config.json'))
  if (configJson === undefined)
    throw unusable(
      folder,
      'config.json is missing',
      'Name a folder that holds config.json and model.safetensors.',
    )
  const config = parseSamConfig(parseJson(folder, 'config.json', configJson))
  const tensors = new Map<string, Tensor>()
  for (const file of await weightFiles(folder))
    for (const tensor of await readTensors(join(folder, file))) tensors.set(tensor.name, tensor)
  untie(tensors)
  const faults = faultsOf(config, [...tensors.values()])
  if (faults.length > 0)
    throw unusable(folder, faults.join('; '), 'Use a checkpoint whose config.json belongs to its weights.')
  return { config, configJson, tensors }
}

/** Writes a folder that readCheckpoint, and Hugging Face's SamModel, open. Tensors are sorted by name, as theirs are. */
export async function writeCheckpoint(
  folder: string,
  { configJson, tensors }: Pick<Checkpoint, 'configJson' | 'tensors'>,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const sorted = [...tensors.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  await writeFile(join(folder, 'config.json'), configJson)
  await writeFile(join(folder, WEIGHTS), writeSafetensors(sorted, { format: 'pt' }))
}

/** What is wrong with a tensor list for this configuration, a sentence part each; nothing wrong: []. */
export function faultsOf(config: SamConfig, found: readonly TensorSpec[]): string[] {
  const wanted = tensorShapes(config)
  const byName = new Map(found.map((tensor) => [tensor.name, tensor]))
  const missing = [...wanted.keys()].filter((name) => !byName.has(name))
  const extra = found.filter(({ name }) => !wanted.has(name)).map(({ name }) => name)
  const misshapen = found.flatMap(({ name, shape, dtype }) => {
    const meant = wanted.get(name)
    if (meant === undefined) return []
    if (meant.join() !== shape.join())
      return [`${name} is [${shape}] where the configuration needs [${meant}]`]
    return isFloat32Readable(dtype) ? [] : [`${name} has dtype ${dtype} where F32, F16 or BF16 is needed`]
  })
  return [
    ...listed('missing tensors', missing),
    ...listed('extra tensors', extra),
    ...listed('misshapen', misshapen),
  ]
}

function listed(what: string, items: readonly string[]): string[] {
  if (items.length === 0) return []
  const rest = items.length > LISTED ? ` and ${items.length - LISTED} more` : ''
  return [`${what}: ${items.slice(0, LISTED).join(', ')}${rest}`]
}

/** The positional embedding is one tensor under two names; files hold either or both. */
function untie(tensors: Map<string, Tensor>): void {
  const alias = tensors.get(POSITIONAL_ALIAS)
  if (alias === undefined) return
  tensors.delete(POSITIONAL_ALIAS)
  if (!tensors.has(POSITIONAL)) tensors.set(POSITIONAL, { ...alias, name: POSITIONAL })
}

async function weightFiles(folder: string): Promise<string[]> {
  const index = await textOf(join(folder, INDEX))
  if (index === undefined) return [WEIGHTS]
  const map = (parseJson(folder, INDEX, index) as { weight_map?: Record<string, string> } | null)?.weight_map
  const files = [...new Set(Object.values(map ?? {}))]
  if (files.length === 0 || files.some((file) => typeof file !== 'string' || basename(file) !== file))
    throw unusable(folder, `${INDEX} names no usable shards`, 'Fetch the checkpoint again.')
  return files
}

async function readTensors(path: string): Promise<Tensor[]> {
  const file = await open(path).catch((cause: unknown) => {
    throw unusable(
      path,
      'it cannot be opened',
      'Weights must be safetensors; convert other formats first.',
      cause,
    )
  })
  try {
    const { size } = await file.stat()
    const length = headerLength(await readBytes(file, 0, Math.min(8, size)))
    const header = parseHeader(await readBytes(file, 0, Math.min(8 + length, size)), size)
    const tensors: Tensor[] = []
    for (const { name, shape, dtype, begin, end } of header.tensors)
      tensors.push({
        name,
        shape,
        dtype,
        data: await readBytes(file, header.dataOffset + begin, end - begin),
      })
    return tensors
  } catch (cause) {
    if (!(cause instanceof SafetensorsError)) throw cause
    throw unusable(path, cause.message.replace(/\.$/, ''), 'Fetch the file again.', cause)
  } finally {
    await file.close()
  }
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) throw new SafetensorsError('The file ends early.')
    done += bytesRead
  }
  return bytes
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      (error as NodeJS.ErrnoException).code === 'ENOTDIR'
    )
      return undefined
    throw error
  }
}

function parseJson(folder: string, file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unusable(folder, `${file} is not JSON`, 'Fetch the checkpoint again.', cause)
  }
}

function unusable(path: string, what: string, remedy: string, cause?: unknown): FedsamError {
  return new FedsamError('BadCheckpoint', `Checkpoint ${path} cannot be used: ${what}.`, { remedy, cause })
}
