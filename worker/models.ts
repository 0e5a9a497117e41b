// The models that a worker starts from: fetched through granted URLs, verified, cached. A cached file is verified again at
// each use: it may be older than this process, and an update from other bytes than the plan's base poisons a round.
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { type GrantedTransfers, GrantRefused } from '#transport/ports.ts'
import { sha256OfFile } from './file-digest.ts'
import { type AskGrants, withGrant } from './transfers.ts'

/** Models up to this size are fetched in one piece; larger ones are streamed to disk, and go on where they broke off. */
const SMALL_BYTES = 16 * 1024 * 1024
/** Models kept in the cache: the one in use and the one before it. */
const CACHED_MODELS = 2

/**
 * The model's file, verified against its SHA-256, from the cache or the store. Throws RecordDamaged where the store has
 * other bytes, or none, twice; NotWanted where the coordinator does not let it be read (any more).
 */
export async function fetchModel(
  base: NonNullable<Task['base']>,
  options: { readonly folder: string; readonly ask: AskGrants; readonly transfers: GrantedTransfers },
): Promise<string> {
  const { folder, ask, transfers } = options
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${base.sha256}.safetensors`)
  if ((await sha256OfFile(file)) === base.sha256) return file
  const part = `${file}.part`
  const found = await withGrant(ask, { kind: 'Read', key: base.key }, async (grant) => {
    if (base.size > SMALL_BYTES) return transfers.download(grant, part).then(() => sha256OfFile(part))
    const bytes = await transfers.read(grant)
    await writeFile(part, bytes)
    return sha256(bytes)
  }).catch((cause: unknown) => {
    if (!(cause instanceof GrantRefused)) throw cause
    throw new FedsamError('RecordDamaged', `${base.key} cannot be read: ${cause.message}`, { cause })
  })
  if (found !== base.sha256) {
    await rm(part, { force: true })
    throw new FedsamError('RecordDamaged', `${base.key} does not have the bytes that the task names`)
  }
  await rename(part, file)
  await forgetOldModels(folder, file)
  return file
}

async function forgetOldModels(folder: string, newest: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.safetensors$/.test(name))
  const paths = names.map((name) => join(folder, name)).filter((path) => path !== newest)
  const files = await Promise.all(paths.map(async (path) => ({ path, at: (await stat(path)).mtimeMs })))
  files.sort((a, b) => b.at - a.at)
  for (const { path } of files.slice(CACHED_MODELS - 1)) await rm(path, { force: true })
}
