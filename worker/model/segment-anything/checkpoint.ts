// Reads a folder with a Hugging Face checkpoint of SAM: config.json, and model.safetensors or its shards. Guarantees complete
// tensors of the right shapes; otherwise BadCheckpoint names every missing, extra and misshapen tensor before one is read. It
// opens only regular files, and reads tensor by tensor, so files may have any size. processor-file.ts reads the image processor;
// transport/ fetches checkpoints.

import { realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { isFloat32Readable } from '#protocol/half.ts'
import { headerLength, type PlacedTensor, parseHeader, SafetensorsError } from '#protocol/safetensors.ts'
import { POSITIONAL, POSITIONAL_ALIAS } from '#protocol/segment-anything.ts'
import type { Tensor, TensorSpec } from '#protocol/tensors.ts'
import { listed } from '#protocol/text.ts'
import { type RegularFile, readBytes, withRegularFile } from '#worker/data/regular-file.ts'
import { parseSamConfig, type SamConfig } from './config.ts'
import { tensorShapes } from './tensor-names.ts'

/** A checkpoint in memory. Tensors keep the file's dtype and go by their names, the tied one by its shared name. */
export interface Checkpoint {
  readonly config: SamConfig
  /** The text of config.json, which is written again with a changed model. */
  readonly configJson: string
  readonly tensors: ReadonlyMap<string, Tensor>
}

const WEIGHTS = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
/** Size that config.json, or another small JSON file, may have, in bytes; published ones have a few thousand. */
const MOST_JSON_BYTES = 2 ** 20
/** Size that the index of shards may have, in bytes: it has a line for each tensor. */
const MOST_INDEX_BYTES = 2 ** 24
/** Names listed in full in an error message; more are counted. */
const LISTED = 5

/** The configuration of a folder, and its text. Throws BadCheckpoint, which names the fault. */
export async function readConfig(folder: string): Promise<Pick<Checkpoint, 'config' | 'configJson'>> {
  const configJson = await readJsonFile(join(folder, 'config.json'))
  if (configJson === undefined)
    throw unusable(
      folder,
      'config.json is missing',
      'Name a folder that contains config.json and model.safetensors.',
    )
  return { config: parseSamConfig(parseJson(folder, 'config.json', configJson)), configJson }
}

/** Reads and checks a folder. Throws BadCheckpoint, which names the file or tensor and its fault. */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const { config, configJson } = await readConfig(folder)
  const stored = new Map<string, Stored>()
  for (const file of await weightFiles(folder))
    for (const tensor of await readHeader(join(folder, file))) stored.set(tensor.name, tensor)
  untie(stored)
  const faults = faultsOf(config, [...stored.values()])
  if (faults.length > 0)
    throw unusable(folder, faults.join('; '), 'Use a checkpoint whose config.json belongs to its weights.')
  return { config, configJson, tensors: await readTensors([...stored.values()]) }
}

/** A tensor with the place of its bytes: `begin` to `end` in its file. */
interface Stored extends PlacedTensor {
  readonly file: string
}

/** The faults of a tensor list for this configuration, a part of a sentence each; [] for a correct list. */
function faultsOf(config: SamConfig, found: readonly TensorSpec[]): string[] {
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
    ...labelled('missing tensors', missing),
    ...labelled('extra tensors', extra),
    ...labelled('misshapen', misshapen),
  ]
}

function labelled(what: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`${what}: ${listed(items, LISTED)}`]
}

/** The positional embedding is one tensor under two names; files hold either or both. */
function untie(tensors: Map<string, Stored>): void {
  const alias = tensors.get(POSITIONAL_ALIAS)
  if (alias === undefined) return
  tensors.delete(POSITIONAL_ALIAS)
  if (!tensors.has(POSITIONAL)) tensors.set(POSITIONAL, { ...alias, name: POSITIONAL })
}

async function weightFiles(folder: string): Promise<string[]> {
  const index = await readJsonFile(join(folder, INDEX), MOST_INDEX_BYTES)
  if (index === undefined) return [WEIGHTS]
  const map = (parseJson(folder, INDEX, index) as { weight_map?: Record<string, string> } | null)?.weight_map
  const files = [...new Set(Object.values(map ?? {}))]
  if (files.length === 0 || files.some((file) => typeof file !== 'string' || basename(file) !== file))
    throw unusable(folder, `${INDEX} names no usable shards`, 'Fetch the checkpoint again.')
  return files
}

async function readHeader(path: string): Promise<Stored[]> {
  return reading(path, async ({ handle, size }) => {
    const length = headerLength(await readBytes(handle, 0, Math.min(8, size)))
    const { tensors, dataOffset } = parseHeader(await readBytes(handle, 0, Math.min(8 + length, size)), size)
    return tensors.map((tensor) => ({
      ...tensor,
      file: path,
      begin: dataOffset + tensor.begin,
      end: dataOffset + tensor.end,
    }))
  })
}

/** Reads the tensors in their order, file by file. */
async function readTensors(stored: readonly Stored[]): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>()
  for (const [path, inFile] of Map.groupBy(stored, ({ file }) => file)) {
    await reading(path, async ({ handle }) => {
      for (const { name, shape, dtype, begin, end } of inFile)
        tensors.set(name, { name, shape, dtype, data: await readBytes(handle, begin, end - begin) })
    })
  }
  return tensors
}

/** Opens a file of weights. Throws BadCheckpoint with the reason if the file is unusable. */
async function reading<T>(path: string, use: (file: RegularFile) => Promise<T>): Promise<T> {
  try {
    return await openWithin(path, Number.POSITIVE_INFINITY, use)
  } catch (cause) {
    const fault = faultOf(cause)
    if (fault === undefined) throw cause
    const remedy =
      'Weights must be safetensors, in whole files: fetch them again, or convert other formats first.'
    throw unusable(path, fault, remedy, cause)
  }
}

async function openWithin<T>(
  path: string,
  mostBytes: number,
  use: (file: RegularFile) => Promise<T>,
): Promise<T> {
  // A cache of the Hub holds links to its files.
  const real = await realpath(path).catch(() => path)
  return withRegularFile(real, mostBytes, use)
}

function faultOf(cause: unknown): string | undefined {
  if (cause instanceof SafetensorsError) return cause.message.replace(/\.$/, '')
  return cause instanceof FedsamError ? `it ${cause.message}` : undefined
}

/** The text of a small JSON file; undefined if it does not exist. Throws BadCheckpoint with the reason if it is unreadable. */
export async function readJsonFile(path: string, mostBytes = MOST_JSON_BYTES): Promise<string | undefined> {
  const exists = await realpath(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  )
  if (!exists) return undefined
  try {
    const content = await openWithin(path, mostBytes, ({ handle, size }) => readBytes(handle, 0, size))
    return new TextDecoder().decode(content)
  } catch (cause) {
    const fault = faultOf(cause)
    if (fault === undefined) throw cause
    throw unusable(path, fault, 'Fetch the checkpoint again.', cause)
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
