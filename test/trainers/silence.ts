// Silent trainers under a clock that the test moves, so that no machine is too slow for them: silent periods pass when the test says so,
// and a trainer that computes has used processor time before each of them.
import { readdir, readFile } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { readStat, TICKS_PER_SECOND } from '#worker/trainer/process-times.ts'
import type { JumpingClock } from '../jumping-clock.ts'
import { until } from '../until.ts'

/** Seconds that a trainer may be silent in these tests: no test comes near it unless it moves the clock. */
export const SILENT_SECONDS = 1000
/** Seconds of a jump of the clock. In a pod a measurement arrives later than it is asked for, so several jumps may pass before it. */
const JUMP = SILENT_SECONDS / 10
/** Jumps that together exceed SILENT_SECONDS. */
const JUMPS = 15
/** Processor seconds between two jumps: twice what counts as progress. */
const COMPUTED_SECONDS = 0.1

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
  for (let jumps = 0; jumps < JUMPS && !isSettled(); jumps += 1) {
    const before = await processorSeconds(file)
    await until(
      'the trainer computes',
      async () => isSettled() || (await processorSeconds(file)) >= before + COMPUTED_SECONDS,
    )
    clock.jump(JUMP)
    await setImmediate()
  }
}

/** Processor seconds of all processes whose command line names this file. */
async function processorSeconds(file: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const ticks = await Promise.all(
    pids.map(async (pid) => {
      try {
        if (!(await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(file)) return 0
        return readStat(await readFile(`/proc/${pid}/stat`, 'utf8'))?.own ?? 0
      } catch {
        return 0 // It ended meanwhile.
      }
    }),
  )
  return ticks.reduce((sum, own) => sum + own, 0) / TICKS_PER_SECOND
}
