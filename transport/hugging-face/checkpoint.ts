// Checkpoints by hf://owner/name@revision: fetches them once into Hugging Face's own cache, where Python finds them too.
// Guarantees: the files are of one commit and verified; each exists completely or not at all; a fetch resumes after a kill.
// The model reads the files. Layout: huggingface_hub, "Manage the cache" (blobs, snapshots, refs).

import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { Backoff } from '#runtime/backoff.ts'
import { exists } from '#runtime/paths.ts'
import { describeFile, downloadFile, type HubFile, type HubSource, resolveUrl } from './http.ts'
import type { HubRepository } from './refusals.ts'
import { type HubEnvironment, hubSettings } from './settings.ts'

/** Seconds between two tries of a request. */
const BACKOFF = { first: 0.5, longest: 30 }

interface FetchOptions {
  readonly env: HubEnvironment
  /** The cache folder; by default the one of huggingface_hub. */
  readonly cache?: string
  /** One line for people at each large file. */
  readonly log?: (line: string) => void
  /** Tries of a request, and of a download without progress. */
  readonly attempts?: number
  /** The pauses between two tries. */
  readonly backoff?: Backoff
  /** Refuses a Hub, and redirects, without TLS. */
  readonly requireTls?: boolean
}

/** Owner, name and revision; main without one. Throws FedsamError InvalidJob. */
export function parseHubUri(uri: string): { owner: string; name: string; revision: string } {
  const match = /^hf:\/\/([\w.-]+)\/([\w.-]+)(?:@([\w./-]+))?$/.exec(uri)
  const [, owner = '', name = '', revision = 'main'] = match ?? []
  if (!match || [owner, name, ...revision.split('/')].some((part) => /^\.*$/.test(part))) {
    throw new FedsamError('InvalidJob', `${uri} does not name a checkpoint on Hugging Face`, {
      remedy: 'Write hf://owner/name or hf://owner/name@revision.',
    })
  }
  return { owner, name, revision }
}

/**
 * Fetches a checkpoint: config.json, preprocessor_config.json (or the processor_config.json of newer checkpoints) and
 * model.safetensors (or its index and shards). Returns the folder that contains them.
 * Sends no request where the revision is a commit and the cache is complete. Without network it uses a complete cache as it is.
 * Throws FedsamError InvalidJob, BadCheckpoint (no checkpoint), CheckpointUnavailable, or StorageUnreachable.
 */
export async function fetchCheckpoint(uri: string, options: FetchOptions): Promise<string> {
  const session = await sessionOf(uri, options)
  const { folder, repository } = session
  if (/^[0-9a-f]{40}$/.test(repository.revision)) {
    const complete = await completeSnapshot(folder, repository.revision)
    if (complete !== undefined) return complete
  }
  if (session.offline !== undefined) {
    return (
      (await cachedSnapshot(folder, repository.revision)) ??
      Promise.reject(notCached(session, session.offline))
    )
  }
  try {
    return await fetchFiles(session)
  } catch (error) {
    const unreachable = error instanceof FedsamError && error.code === 'StorageUnreachable'
    const cached = unreachable ? await cachedSnapshot(folder, repository.revision) : undefined
    if (cached === undefined) throw error
    session.log(
      `${repository.endpoint} cannot be reached; using ${repository.owner}/${repository.name} from the cache`,
    )
    return cached
  }
}

interface Session extends HubSource {
  /** The variable that forbids requests. */
  readonly offline: string | undefined
  /** The repository's folder in the cache. */
  readonly folder: string
  readonly log: (line: string) => void
}

async function sessionOf(uri: string, options: FetchOptions): Promise<Session> {
  const { env, log, attempts = 5, backoff = BACKOFF, requireTls = false } = options
  const named = parseHubUri(uri)
  const { endpoint, token, cache, offline } = await hubSettings(env)
  const repository = { endpoint, ...named }
  return {
    repository,
    offline,
    folder: join(options.cache ?? cache, `models--${repository.owner}--${repository.name}`),
    access: { token, attempts, backoff, env, requireTls },
    log: log ?? (() => {}),
  }
}

function notCached({ repository: { owner, name, revision }, folder }: Session, offline: string): FedsamError {
  const message = `${offline} is set, and ${owner}/${name} at ${revision} is not complete in ${folder}`
  return new FedsamError('CheckpointUnavailable', message, {
    remedy: `Unset ${offline} to fetch it, or name the cache that has it with HF_HUB_CACHE or HF_HOME.`,
  })
}

const CONFIG = 'config.json'
const PROCESSORS = ['preprocessor_config.json', 'processor_config.json']
const WEIGHTS = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'

async function fetchFiles(session: Session): Promise<string> {
  const { repository, folder } = session
  const first = await describeFile(session, CONFIG)
  if (first === undefined) throw missing(repository, CONFIG)
  const pinned = { ...session, repository: { ...repository, revision: first.commit } }
  const snapshot = join(folder, 'snapshots', first.commit)
  await mkdir(snapshot, { recursive: true })
  await fetchFile(pinned, CONFIG, first)
  await fetchAny(pinned, PROCESSORS)
  if ((await fetchAny(pinned, [WEIGHTS, INDEX])) === INDEX) {
    for (const shard of await shardsOf(join(snapshot, INDEX))) await fetchAny(pinned, [shard])
  }
  if (repository.revision !== first.commit) {
    await writeWhole(join(folder, 'refs', repository.revision), first.commit)
  }
  return snapshot
}

/** Fetches the first of these files that the repository has; returns its name. */
async function fetchAny(session: Session, files: readonly string[]): Promise<string> {
  for (const file of files) {
    if (await exists(join(session.folder, 'snapshots', session.repository.revision, file))) return file
  }
  for (const file of files) {
    const description = await describeFile(session, file)
    if (description === undefined) continue
    await fetchFile(session, file, description)
    return file
  }
  throw missing(session.repository, files.join(' or '))
}

async function fetchFile(session: Session, file: string, description: HubFile): Promise<void> {
  const { repository, folder } = session
  const blob = join(folder, 'blobs', description.etag)
  const link = join(folder, 'snapshots', description.commit, file)
  if (await exists(link)) return
  if (!(await exists(blob))) {
    await mkdir(dirname(blob), { recursive: true })
    const megabytes = ((description.size ?? 0) / 1e6).toFixed(1)
    session.log(`fetching ${file} of ${repository.owner}/${repository.name} (${megabytes} MB)`)
    const partial = `${blob}.fedsam-partial`
    const url = resolveUrl(repository, description.commit, file)
    await downloadFile(url, partial, description, session)
    await rename(partial, blob).catch(async (error: unknown) => {
      // Another process was faster: its file has the same name, so the same content.
      if (!(await exists(blob))) throw error
    })
  }
  await linkBlob(blob, link)
}

/** Creates a relative link, as huggingface_hub does, or a copy where the system allows no links. */
async function linkBlob(blob: string, link: string): Promise<void> {
  try {
    await symlink(relative(dirname(link), blob), link)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST' && (await exists(link))) return
    const copy = `${link}.${process.pid}.fedsam-partial`
    await copyFile(blob, copy)
    await rename(copy, link)
  }
}

async function shardsOf(index: string): Promise<string[]> {
  const content: unknown = await readFile(index, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined)
  const map = (content as { weight_map?: unknown } | undefined)?.weight_map
  const shards = [...new Set(Object.values(map ?? {}))].sort()
  const safe = shards.filter((shard) => typeof shard === 'string' && /^\w[\w.-]*\.safetensors$/.test(shard))
  if (safe.length === 0 || safe.length !== shards.length) {
    throw new FedsamError('BadCheckpoint', `${INDEX} does not list safetensors shards`, {
      remedy: 'Use a checkpoint whose index names its shards in weight_map.',
    })
  }
  return safe as string[]
}

/** The snapshot of a revision's last known commit; undefined where it is not complete. */
async function cachedSnapshot(folder: string, revision: string): Promise<string | undefined> {
  const commit = await readFile(join(folder, 'refs', revision), 'utf8').catch(() => revision)
  return completeSnapshot(folder, commit.trim())
}

async function completeSnapshot(folder: string, commit: string): Promise<string | undefined> {
  const snapshot = join(folder, 'snapshots', commit)
  const has = async (file: string): Promise<boolean> => exists(join(snapshot, file))
  if (!(await has(CONFIG))) return undefined
  if (!(await has(PROCESSORS[0]!)) && !(await has(PROCESSORS[1]!))) return undefined
  if (await has(WEIGHTS)) return snapshot
  if (!(await has(INDEX))) return undefined
  for (const shard of await shardsOf(join(snapshot, INDEX))) if (!(await has(shard))) return undefined
  return snapshot
}

async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.fedsam-partial`
  try {
    await writeFile(partial, text)
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
}

function missing({ owner, name, revision }: HubRepository, file: string): FedsamError {
  return new FedsamError('BadCheckpoint', `${owner}/${name} has no ${file} at ${revision}`, {
    remedy: 'Use a Segment Anything checkpoint in Hugging Face layout with safetensors weights.',
  })
}
