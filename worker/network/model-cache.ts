// Fetches the models and states that a worker starts from through granted URLs, verifies and caches them. It verifies a cached file again at
// each use: the file may be older than this process, and an update that starts from other bytes than the plan's base spoils a
// round.
import { mkdir, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { sha256OfFile } from '#runtime/file-digest.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import { type GrantedTransfers, GrantRefused } from '#transport/ports.ts'
import { type AskGrants, withGrant } from './grants.ts'

/** Models that stay in the cache: the one in use and the one before it. */
const CACHED_MODELS = 2

/** Of the names of a model, of a client's state, and of a message's content. */
const ENDINGS = ['safetensors', 'state', 'records'] as const

export interface ModelOptions {
  readonly folder: string
  readonly buffer: ReusedBuffer
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
}

/**
 * The path of the model's file, verified against its SHA-256, from the cache or the store. Throws RecordDamaged where the store has
 * other bytes, or refuses the read twice; NotWanted where the coordinator gives no grant to read it.
 */
export function fetchModel(base: NonNullable<Task['base']>, options: ModelOptions): Promise<string> {
  return fetchFile(base, 'safetensors', options)
}

/** As fetchModel, for any object; `ending` is that of the file's name. */
export async function fetchFile(
  base: { readonly key: string; readonly size: number; readonly sha256: string },
  ending: (typeof ENDINGS)[number],
  options: ModelOptions,
): Promise<string> {
  const { folder, buffer, ask, transfers } = options
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${base.sha256}.${ending}`)
  if ((await sha256OfFile(file)) === base.sha256) return file
  const part = `${file}.part`
  // The trainer can write to this folder: delete anything that it put in the place of the model or of the partial download.
  await Promise.all([file, part].map((path) => rm(path, { recursive: true, force: true })))
  const found = await withGrant(ask, { kind: 'Read', key: base.key }, (grant) =>
    transfers.download(grant, part, { buffer, most: base.size }),
  ).catch((cause: unknown) => {
    if (!(cause instanceof GrantRefused)) throw cause
    throw new FedsamError('RecordDamaged', `${base.key} cannot be read: ${cause.message}`, { cause })
  })
  if (found.sha256 !== base.sha256) {
    await rm(part, { force: true })
    throw new FedsamError('RecordDamaged', `${base.key} does not have the bytes that the task names`)
  }
  await rename(part, file)
  return file
}

/** Deletes all but the newest models or contents of messages. A later call deletes a file that cannot be deleted now. */
export function deleteOldModels(folder: string, newest: string): Promise<void> {
  return deleteOldFiles(folder, newest, CACHED_MODELS - 1)
}

/** A file of the cache, or one that a download has begun. */
const CACHED = new RegExp(`^[0-9a-f]{64}\\.(${ENDINGS.join('|')})(\\.part(\\.partial)?)?$`)

/** Deletes all but `used` and the `others` newest files, and every download that did not come to its end. Call it when none runs. */
export async function deleteOldFiles(folder: string, used: string, others: number): Promise<void> {
  const names = (await readdir(folder)).filter((name) => CACHED.test(name))
  const [begun, whole] = [
    names.filter((name) => /\.part/.test(name)),
    names.filter((name) => !/\.part/.test(name)),
  ]
  const paths = whole.map((name) => join(folder, name)).filter((path) => path !== used)
  const files = await Promise.all(paths.map(async (path) => ({ path, at: (await stat(path)).mtimeMs })))
  files.sort((a, b) => b.at - a.at)
  const old = files.slice(others).map(({ path }) => path)
  for (const path of [...old, ...begun.map((name) => join(folder, name))]) await unlink(path).catch(() => {})
}
