// The output folder of a local run: checks whether it is writable, reads the record of an earlier run, and moves a finished
// output aside for more rounds. A check leaves no file. output-state.ts decides what a run does with the folder.
import { access, constants, mkdtemp, readdir, rename, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readRecord } from '#coordinator/record/markers.ts'
import { FedsamError } from '#protocol/errors.ts'
import { isProgramRun } from '#protocol/exchange.ts'
import { attemptKeys, MANIFEST_KEY, PROGRAM_RESULT_KEY, RUN_KEY, resultKey } from '#protocol/keys.ts'
import { firstRound, type Manifest, type RoundResult } from '#protocol/record.ts'
import { LOCK_FOLDER } from '#runtime/folder-lock.ts'
import { makeFolders } from '#runtime/folders.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { lastSpecOf } from './last-spec.ts'
import type { OutputState, RecordFacts, RunKind } from './output-state.ts'
import { openRecordFolder, processRecord } from './record-folder.ts'

/** The folder of the record, by the kind of the run. */
export function recordOf(output: string, kind: RunKind): string {
  return kind === 'Processes' ? processRecord(output) : output
}

/** Throws OutputInUse unless the folder can be written or created. Leaves no file. */
export async function checkWritable(output: string): Promise<void> {
  const nearest = await nearestFolder(output)
  try {
    await access(nearest, constants.W_OK)
    // Permissions are not enough: a read-only mount, a full disk, /proc and /sys refuse the file itself.
    await rmdir(await mkdtemp(join(nearest, '.fedsam-')))
  } catch (error) {
    throw unwritable(output, error as NodeJS.ErrnoException)
  }
}

async function nearestFolder(path: string): Promise<string> {
  const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && dirname(path) !== path) return undefined
    throw unwritable(path, error)
  })
  if (there === undefined) return nearestFolder(dirname(path))
  if (there.isDirectory()) return path
  throw unwritable(path, { code: 'ENOTDIR' })
}

function unwritable(output: string, error: { code?: string | undefined }): FedsamError {
  return new FedsamError('OutputInUse', `${output} cannot be written (${error.code})`, {
    remedy:
      error.code === 'ENOSPC'
        ? 'free some space on the disk'
        : 'name a folder that you can write to with --output',
  })
}

/** The facts of the run in the folder; null for an absent or empty folder. Throws OutputInUse for a folder with other contents. */
export async function readOutput(output: string): Promise<RecordFacts | null> {
  const names: readonly string[] = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw unwritable(output, error)
  })
  for (const kind of ['OneProcess', 'Processes'] as const) {
    const store = await openRecordFolder(recordOf(output, kind))
    const run = await readable(output, readRecord(store, 'run', RUN_KEY))
    if (run === undefined) continue
    const { name, spec } = run.value
    const facts = await readable(
      output,
      isProgramRun(run.value) ? programProgress(store) : progressOf(store, firstRound(run.value)),
    )
    return { kind, name, spec, lastSpec: await lastSpecOf(output), ...facts }
  }
  // A run that ended before it had a record leaves only its lock.
  if (names.length === 0 || names.includes(LOCK_FOLDER)) return null
  throw new FedsamError('OutputInUse', `${output} is not empty and holds no run`, {
    remedy: 'name another folder with --output',
  })
}

async function readable<T>(output: string, reading: Promise<T>): Promise<T> {
  return reading.catch((error: unknown) => {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    throw new FedsamError('OutputInUse', `${output} holds a damaged record: ${error.message}`, {
      remedy: 'name another folder with --output, or restore the record from a copy',
      cause: error,
    })
  })
}

type ProgressFacts = Pick<RecordFacts, 'rounds' | 'complete' | 'stopped' | 'next'>

async function progressOf(store: ObjectStore, first: number): Promise<ProgressFacts> {
  let last: RoundResult | undefined
  for (let round = first; ; round += 1) {
    const result = await readRecord(store, 'result', resultKey(round))
    if (result === undefined) break
    last = result.value
  }
  const complete = (await readManifest(store)) !== undefined
  if (last === undefined) return { rounds: 0, complete, stopped: null, next: null }
  const purpose = await purposeOf(store, last.round, last.attempt)
  const rounds = purpose === 'Evaluate' ? last.round - 1 : last.round
  const stopped = await stopOf(store, rounds)
  return { rounds, complete, stopped, next: await purposeOf(store, rounds + 1, 1) }
}

/** A program ends its run itself: no job asks it for more. */
async function programProgress(store: ObjectStore): Promise<ProgressFacts> {
  const complete = (await readManifest(store)) !== undefined
  return { rounds: 0, complete, stopped: 'its program ended the run', next: null }
}

async function purposeOf(store: ObjectStore, round: number, attempt: number): Promise<RecordFacts['next']> {
  const plan = await readRecord(store, 'plan', attemptKeys(round, attempt).plan)
  return plan?.value.kind ?? null
}

/** Why training ended early with this round; undefined after the last round. */
async function stopOf(store: ObjectStore, round: number): Promise<string | null> {
  const result = await readRecord(store, 'result', resultKey(round))
  if (result === undefined || result.value.decision === null) return null
  const decision = await readRecord(store, 'decision', attemptKeys(round, result.value.attempt).decision)
  const stop = decision?.value.kind === 'Closed' ? decision.value.stop : null
  return stop === null || stop.reason === 'LastRound' ? null : stop.message
}

/** The manifest of a record; undefined if the output is not complete. Throws RecordDamaged. */
export async function readManifest(store: ObjectStore): Promise<Manifest | undefined> {
  return (await readRecord(store, 'manifest', MANIFEST_KEY))?.value
}

/** What the program of a Program run measured; undefined for a run with rounds. */
export async function readProgramMetrics(
  store: ObjectStore,
): Promise<{ readonly metrics: Readonly<Record<string, number>> } | undefined> {
  const result = await readRecord(store, 'program', PROGRAM_RESULT_KEY)
  return result && { metrics: result.value.metrics }
}

/**
 * Moves the finished output, and the attempt whose purpose has changed, to replaced/<n>/. Each step is one rename, and after each
 * step a run can resume or continue, so a kill in between loses nothing.
 */
export async function moveAside(record: string, state: OutputState): Promise<void> {
  const aside = state.kind === 'Resume' || state.kind === 'Continue' ? state.aside : null
  if (state.kind !== 'Continue' && aside === null) return
  const to = await freeFolder(join(record, 'replaced'))
  if (state.kind === 'Continue') await rename(join(record, 'output'), join(to, 'output'))
  if (aside !== null) await rename(join(record, 'rounds', String(aside)), join(to, `round-${aside}`))
}

async function freeFolder(parent: string): Promise<string> {
  for (let n = 1; ; n += 1) {
    const path = join(parent, String(n))
    if ((await makeFolders(path)) !== undefined) return path
  }
}
