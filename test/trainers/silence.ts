// Silent trainers under a clock that the test moves, so that no machine is too slow for them: silent periods pass when the test says so,
// and a trainer that computes has used processor time before each of them.
import { readdir, readFile } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { readStat, TICKS_PER_SECOND } from '#runtime/children/process-times.ts'
import type { JumpingClock } from '../jumping-clock.ts'
import { until } from '../until.ts'

/** Seconds that a trainer may be silent in these tests: no test comes near it unless it moves the clock. */
export const SILENT_SECONDS = 1000
/** Seconds of a jump of the clock. In a pod a measurement arrives later than it is asked for, so several jumps may pass before it. */
const JUMP = SILENT_SECONDS / 10
/** Jumps that together exceed SILENT_SECONDS. */
const JUMPS = 12
/** Processor seconds between two jumps: as much as counts as progress. Smaller shares add up, so a late measurement misses none. */
const COMPUTED_SECONDS = 0.05
/** Looks at known processes between two searches for new ones: a search reads a file of every process of the machine. */
const LOOKS_PER_SEARCH = 20

/** Moves the clock until the promise settles. The start of a process is progress, so one silent period may not be enough. */
export async function jumpUntilSettled(clock: JumpingClock, promise: Promise<unknown>): Promise<void> {
  const isSettled = watchPromise(promise)
  await until('the wait for the trainer ends', () => {
    if (!isSettled()) clock.jump(JUMP)
    return isSettled()
  })
}

function watchPromise(promise: Promise<unknown>): () => boolean {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  return () => settled
}

/**
 * Lets more than a silent period pass, in jumps; before each of them, the processes whose command line names `file` have computed.
 * Ends early once the call is answered or has failed.
 */
export async function jumpWhileComputing(
  clock: JumpingClock,
  file: string,
  call: Promise<unknown>,
): Promise<void> {
  const isSettled = watchPromise(call)
  const used = processorTime(file)
  for (let jumps = 0; jumps < JUMPS && !isSettled(); jumps += 1) {
    const before = await used()
    await until(
      'the trainer computes',
      async () => isSettled() || (await used()) >= before + COMPUTED_SECONDS,
    )
    clock.jump(JUMP)
    await setImmediate()
  }
}

/** Returns the processor seconds of all processes whose command line names this file. */
function processorTime(file: string): () => Promise<number> {
  let pids: readonly string[] = []
  let looks = 0
  return async () => {
    if (looks % LOOKS_PER_SEARCH === 0) pids = await pidsWith(file)
    looks += 1
    const ticks = await Promise.all(
      pids.map(async (pid) => readStat(await textOf(`/proc/${pid}/stat`))?.own ?? 0),
    )
    return ticks.reduce((sum, own) => sum + own, 0) / TICKS_PER_SECOND
  }
}

async function pidsWith(file: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const commands = await Promise.all(pids.map((pid) => textOf(`/proc/${pid}/cmdline`)))
  return pids.filter((_, at) => commands[at]!.includes(file))
}

/** '' of a process that ended meanwhile. */
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
