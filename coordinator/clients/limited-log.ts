// Log lines that foreign messages cause. A sender on the bus must not fill the disk of a log collector, so lines above a rate are
// counted and not written. The count follows with the first line of the next period.
import { shortened } from '#protocol/text.ts'

/** Lines of one period. */
const LINES = 20
const PERIOD_SECONDS = 60
/** Characters of one line. */
const LONGEST_LINE = 1000

/** `now`: seconds. */
export function createLimitedLog(log: (line: string) => void, now: () => number): (line: string) => void {
  let began = now()
  let written = 0
  let leftOut = 0
  return (line) => {
    if (now() - began >= PERIOD_SECONDS) {
      if (leftOut > 0) log(`${leftOut} more lines of this kind were left out`)
      began = now()
      written = 0
      leftOut = 0
    }
    if (written >= LINES) {
      leftOut += 1
      return
    }
    written += 1
    log(shortened(line, LONGEST_LINE))
  }
}
