// Allows one process at a time to use a folder: a run its output, a site its state. The lock is a kernel lock, taken through SQLite on
// a file in the folder, so it always ends with its process. Readers need no lock.

import { readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { makeFolders } from '#runtime/folders.ts'

/** The folder of the lock. It also shows that a FedSAM program started here. */
export const LOCK_FOLDER = '.lock~'

/** SQLite's codes for a lock of another process, and for a file system without locks. */
const BUSY = 5
const NO_LOCKS = 10

/** A lock that this process holds. */
export interface FolderLock {
  release(): Promise<void>
}

/** What to do where the folder is in use, and where it cannot be written. */
export interface LockRemedies {
  readonly inUse: string
  readonly unwritable: string
}

/** Takes the lock at once, or throws OutputInUse with the process that holds it. Creates the folder. */
export async function lockFolder(locked: string, remedies: LockRemedies): Promise<FolderLock> {
  const folder = join(locked, LOCK_FOLDER)
  const owner = join(folder, 'owner.json')
  try {
    await makeFolders(folder)
    const database = openDatabase(join(folder, 'lock'))
    try {
      // The open transaction is the lock; nothing is written to the file.
      database.exec('PRAGMA journal_mode=MEMORY')
      database.exec('BEGIN IMMEDIATE')
      await writeFile(owner, JSON.stringify({ pid: process.pid, host: hostname() }))
    } catch (error) {
      database.close()
      throw error
    }
    return {
      async release() {
        await rm(owner, { force: true })
        database.close()
      },
    }
  } catch (error) {
    throw await refusal({ locked, owner, remedies }, error as SystemError)
  }
}

interface SystemError extends Error {
  readonly code?: string
  /** SQLite's, its low byte the kind of error. */
  readonly errcode?: number
}

interface Attempt {
  readonly locked: string
  readonly owner: string
  readonly remedies: LockRemedies
}

async function refusal({ locked, owner, remedies }: Attempt, error: SystemError): Promise<Error> {
  const kind = error.errcode === undefined ? undefined : error.errcode & 0xff
  if (kind === BUSY) {
    return new FedsamError('OutputInUse', `${locked} is in use by ${await ownerOf(owner)}`, {
      remedy: remedies.inUse,
      cause: error,
    })
  }
  if (error.code === undefined) return error
  const why = kind === NO_LOCKS ? 'its file system has no file locks' : (error.code ?? error.message)
  return new FedsamError('OutputInUse', `${locked} cannot be written (${why})`, {
    remedy: error.code === 'ENOSPC' ? 'free some space on the disk' : remedies.unwritable,
    cause: error,
  })
}

/** "process 4711", with its host if that is another one. */
async function ownerOf(file: string): Promise<string> {
  try {
    const { pid, host } = JSON.parse(await readFile(file, 'utf8')) as { pid?: unknown; host?: unknown }
    if (!Number.isSafeInteger(pid)) return 'another process'
    return `process ${pid}${typeof host === 'string' && host !== hostname() ? ` on ${host}` : ''}`
  } catch {
    return 'another process'
  }
}

interface Database {
  exec(sql: string): void
  close(): void
}

/** Early versions of Node 24 print a warning that SQLite is experimental. Users cannot act on it, so it is hidden. */
function openDatabase(file: string): Database {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    const { DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
    return new DatabaseSync(file, { timeout: 0 })
  } finally {
    process.emitWarning = emitWarning
  }
}
