// Fetches the base checkpoint of a run to this client's disk, through granted URLs, into a folder named by its digest.
// Guarantees: a file gets its name only after verification; `current` names a complete folder; a restart fetches no file again,
// and resumes an interrupted download.

import { mkdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { baseKey, parseKey, RUN_KEY } from '#protocol/keys.ts'
import { type RunRecord, readMarker } from '#protocol/record.ts'
import { BASE_CHECKPOINTS } from '#protocol/seam-files.ts'
import type { Clock } from '#runtime/clock.ts'
import { sha256OfFile } from '#runtime/file-digest.ts'
import { type GrantedTransfers, GrantRefused } from '#transport/ports.ts'
import { type AskGrants, NotWanted, withGrant } from './grants.ts'

/** Pause before a fetch is retried after an error that may pass, in seconds: short beside the start of a pod. */
const RETRY_SECONDS = 3

export interface BaseOptions {
  /** Folder of this client's cache. */
  readonly cache: string
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Receives the progress and what the worker waits for. */
  readonly report: (message: string) => void
}

/**
 * Resolves once `<cache>/base/current` is the run's base checkpoint, complete and verified. Retries while the coordinator has no
 * base yet, and while the store is unreachable. Throws BadCheckpoint where the run has no base, Interrupted.
 */
export async function fetchBase(options: BaseOptions): Promise<void> {
  const { clock, signal, report } = options
  report('fetching the base checkpoint')
  for (;;) {
    try {
      return await tryBase(options)
    } catch (error) {
      if (!isCurable(error)) throw error
      report(`fetching the base checkpoint: ${(error as Error).message}`)
    }
    await clock.sleep(RETRY_SECONDS, signal)
    if (signal.aborted) throw new FedsamError('Interrupted', 'the worker was asked to stop')
  }
}

function isCurable(error: unknown): boolean {
  if (error instanceof NotWanted || error instanceof GrantRefused) return true
  return (
    error instanceof FedsamError && (error.code === 'StorageUnreachable' || error.code === 'RecordDamaged')
  )
}

async function tryBase(options: BaseOptions): Promise<void> {
  const { cache, ask, transfers } = options
  const bytes = await withGrant(ask, { kind: 'Read', key: RUN_KEY }, (grant) => transfers.read(grant))
  const { base } = readMarker('run', RUN_KEY, bytes)
  if (base === null) {
    throw new FedsamError('BadCheckpoint', 'this run has no base checkpoint, and its trainer needs one', {
      remedy: 'delete the job and create it again with spec.trainer.segmentAnything.checkpoint',
    })
  }
  const folder = join(cache, BASE_CHECKPOINTS.folder, base.digest)
  await mkdir(folder, { recursive: true })
  const size = base.files.reduce((sum, file) => sum + file.size, 0)
  let done = 0
  for (const file of base.files) {
    await fetchFile(folder, { digest: base.digest, file }, options)
    done += file.size
    options.report(`fetching the base checkpoint: ${megabytes(done)} of ${megabytes(size)} MB`)
  }
  await pointTo(join(cache, BASE_CHECKPOINTS.folder), base.digest)
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)

type BaseFile = NonNullable<RunRecord['base']>['files'][number]

/** Ensures that the verified file is in the folder; downloads it where it is missing or differs. */
async function fetchFile(
  folder: string,
  { digest, file }: { readonly digest: string; readonly file: BaseFile },
  { ask, transfers }: BaseOptions,
): Promise<void> {
  const key = baseKey(digest, file.name)
  // A name with a path in it would write outside the folder.
  if (parseKey(key)?.kind !== 'Base' || /^\.+$/.test(file.name)) {
    throw new FedsamError(
      'RecordDamaged',
      `${RUN_KEY} names the base file ${JSON.stringify(file.name)}, which is not a plain file name`,
      {
        remedy: 'delete the job and create it again: this record cannot be used',
      },
    )
  }
  const target = join(folder, file.name)
  if (await hasBytes(target, file)) return
  // The partial file may be complete: an earlier start may have ended just before it renamed the file.
  const part = `${target}.part`
  if (!(await hasBytes(part, file))) {
    const fetched = await withGrant(ask, { kind: 'Read', key }, (grant) =>
      transfers.download(grant, part, { most: file.size }),
    )
    if (fetched.size !== file.size || fetched.sha256 !== file.sha256) {
      await rm(part, { force: true })
      throw new FedsamError('RecordDamaged', `${key} does not have the bytes that ${RUN_KEY} names`)
    }
  }
  await rename(part, target)
}

async function hasBytes(path: string, { size, sha256 }: BaseFile): Promise<boolean> {
  const there = await stat(path).catch(() => undefined)
  return there?.size === size && (await sha256OfFile(path)) === sha256
}

/** Replaces the link `current` in one step, so that it always names a complete folder. */
async function pointTo(folder: string, digest: string): Promise<void> {
  const draft = join(folder, 'current.draft')
  await rm(draft, { force: true })
  await symlink(digest, draft)
  await rename(draft, join(folder, BASE_CHECKPOINTS.current))
}
