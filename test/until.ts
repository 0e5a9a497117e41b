// Waiting in tests for something that happens by itself, with a limit: what does not happen fails the test by its name, long
// before the runner gives the file up. The limit is no assertion about time; it is far above what a busy machine needs.
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds between two looks. */
const PAUSE = 2

/** Resolves when it holds. Throws after `seconds`, naming what did not happen and, where given, what was there instead. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { seconds = 60, instead }: { readonly seconds?: number; readonly instead?: () => unknown } = {},
): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !(await holds()); await sleep(PAUSE)) {
    if (performance.now() < end) continue
    const there = instead === undefined ? '' : `; instead: ${JSON.stringify(instead())}`
    throw new Error(`did not happen within ${seconds} s: ${what}${there}`)
  }
}
