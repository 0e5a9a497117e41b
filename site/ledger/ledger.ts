// The ledger of a site: what each data set gave, over all jobs, in one file of the site's own folder. Guarantees that a task is counted
// on the disk before anybody learns that it is allowed, that a crash leaves the old or the new file, that a damaged or lost file is
// refused and never taken for zero, and that one process holds the ledger at a time.
import { open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { writeFully } from '#runtime/file-bytes.ts'
import { lockFolder } from '#runtime/folder-lock.ts'
import { exists } from '#runtime/paths.ts'
import { AUDIT_FILE } from '../audit/audit-log.ts'
import type { Charge, Usage } from '../policy/decide-task.ts'
import {
  added,
  type CountedTask,
  type Counts,
  decodeCounts,
  encodeCounts,
  isCounted,
  MOST_LEDGER_BYTES,
  NO_COUNTS,
  usageOf,
} from './counts.ts'

/** The file of the ledger below the site's folder. */
export const LEDGER_FILE = 'ledger.json'

export interface Ledger {
  /**
   * Decides about a task by what its data set gave so far, and counts it where `decide` allows it. Resolves when the count is on the
   * disk; throws SiteRefused where it cannot be written. A task that its run counted last is allowed for nothing: `decide` then gets
   * undefined.
   */
  charge<T extends { readonly charge?: Charge }>(
    task: CountedTask,
    now: number,
    decide: (usage: Usage | undefined) => T,
  ): Promise<T>
  /** Waits for the last write, and releases the ledger. */
  close(): Promise<void>
}

/** The day in UTC of a time in milliseconds since 1970. */
function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10)
}

/** Opens the ledger in the site's folder, and creates both where they do not exist. Throws OutputInUse where another process has it, RecordDamaged. */
export async function openLedger(folder: string): Promise<Ledger> {
  const lock = await lockFolder(folder, {
    inUse: 'one agent at a time serves a site: stop the other one first',
    unwritable: 'name a folder of this user in the file of the site',
  })
  try {
    const counts = await readCounts(folder)
    // A new ledger exists before the first line of the audit log, which shows from then on that there was one.
    if (counts === NO_COUNTS) await replace(folder, encodeCounts(counts))
    return ledgerOn(folder, counts, lock.release)
  } catch (error) {
    await lock.release()
    throw error
  }
}

function ledgerOn(folder: string, read: Counts, release: () => Promise<void>): Ledger {
  let counts = read
  let written: Promise<unknown> = Promise.resolve()
  const save = async (): Promise<void> => {
    const write = written.catch(() => {}).then(() => replace(folder, encodeCounts(counts)))
    written = write
    await write.catch((error: NodeJS.ErrnoException) => {
      throw unwritable(error)
    })
  }
  return {
    async charge(task, now, decide) {
      const day = dayOf(now)
      if (isCounted(counts, task)) {
        // Its own count may still be on the way to the disk, or may have failed to get there.
        await written.catch(save)
        return decide(undefined)
      }
      const decision = decide(usageOf(counts, task.dataset, day))
      if (decision.charge === undefined) return decision
      // Counted before it is written: a second task must not see the old count meanwhile. One that fails stays counted until a restart.
      counts = added(counts, task, decision.charge, day)
      await save()
      return decision
    },
    async close() {
      await written.catch(() => {})
      await release()
    },
  }
}

/** The counts of a site's folder, without its lock. Throws RecordDamaged where the file is damaged, or lost. */
export async function readCounts(folder: string): Promise<Counts> {
  const file = join(folder, LEDGER_FILE)
  const size = await stat(file).then(
    (found) => found.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw damaged(`the ledger ${file} cannot be read: ${error.message}`, error)
    },
  )
  if (size === undefined) {
    if (await exists(join(folder, AUDIT_FILE)))
      throw damaged(`the ledger ${file} is missing, and the audit log beside it shows that there was one`)
    return NO_COUNTS
  }
  const counts = size > MOST_LEDGER_BYTES ? undefined : decodeCounts(await readFile(file))
  if (counts === undefined) throw damaged(`the ledger ${file} is damaged`)
  return counts
}

function damaged(message: string, cause?: unknown): FedsamError {
  const remedy =
    'restore it from a copy; to let all limits begin at zero, move the ledger and the audit log out of the folder'
  return new FedsamError('RecordDamaged', message, cause === undefined ? { remedy } : { remedy, cause })
}

/** The message travels, so it names no path. */
function unwritable(cause: NodeJS.ErrnoException): FedsamError {
  return new FedsamError('SiteRefused', `the site cannot write its ledger (${cause.code ?? 'unknown'})`, {
    remedy: 'the site must free some space on its disk, or correct the rights on its folder',
    cause,
  })
}

/** Replaces the file with these bytes, or leaves it as it is. Both the bytes and the name are on the disk when it resolves. */
async function replace(folder: string, bytes: Uint8Array): Promise<void> {
  const file = join(folder, LEDGER_FILE)
  const handle = await open(`${file}.new`, 'w', 0o600)
  try {
    await writeFully(handle, bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.new`, file)
  const names = await open(folder, 'r')
  try {
    await names.sync()
  } finally {
    await names.close()
  }
}
