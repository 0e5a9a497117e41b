// Finds the processes of a child on this machine in /proc, measures their processor time and kills them. It also finds
// descendants that got another parent or their own session: they inherit a marked environment variable. Without /proc (macOS) it
// finds none; then only a child's output is a sign of life.
import { readdir, readFile } from 'node:fs/promises'
import {
  familyOf,
  keyOf,
  type ProcessTimes,
  processorAccount,
  readStat,
  TICKS_PER_SECOND,
} from './process-times.ts'

export interface Family {
  /** Processor seconds that the family has used so far; they never decrease. Undefined where this machine has no /proc. */
  used(): Promise<number | undefined>
  /** Kills all of them (SIGKILL). */
  end(): Promise<void>
}

/** The family of the process `root`. The environment of its processes has the mark of this life, NAME=VALUE. */
export function followFamily(root: number, mark: string): Family {
  const account = processorAccount()
  /** Whether each running process belongs to the family: its environment is read once. */
  let known = new Map<string, boolean>()
  const look = async (): Promise<ProcessTimes[] | undefined> => {
    const all = await readProcesses()
    if (all === undefined) return undefined
    const marks = await Promise.all(
      all.map(async (one) => [keyOf(one), known.get(keyOf(one)) ?? (await isMarked(one, mark))] as const),
    )
    known = new Map(marks)
    const family = familyOf(all, root, (one) => known.get(keyOf(one)) === true)
    for (const one of family) known.set(keyOf(one), true)
    return family
  }
  return {
    async used() {
      const family = await look()
      return family === undefined ? undefined : account.add(family) / TICKS_PER_SECOND
    },
    async end() {
      // A process that starts during this search is found by the next one.
      for (let tries = 0; tries < 5; tries += 1) {
        const family = (await look()) ?? []
        if (!family.map(endProcess).includes(true)) return
      }
    },
  }
}

/** Kills (SIGKILL) every process with this mark and its descendants: those that outlived the process that started them. */
export async function endMarked(mark: string): Promise<void> {
  // No process has this number, so the mark alone decides.
  await followFamily(Number.NaN, mark).end()
}

/** Whether the process existed and was killed. */
function endProcess({ pid }: ProcessTimes): boolean {
  try {
    return pid > 1 && process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

async function readProcesses(): Promise<ProcessTimes[] | undefined> {
  const names = await readdir('/proc').catch(() => [])
  const texts = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map((name) => readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')),
  )
  const found = texts.map(readStat).filter((one) => one !== undefined)
  return found.length === 0 ? undefined : found
}

/**
 * Whether the environment with which its program started has the mark. Environments of other users are unreadable, and count as
 * unmarked.
 */
async function isMarked({ pid }: ProcessTimes, mark: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  return environment.split('\0').includes(mark)
}
