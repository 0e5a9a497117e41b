// A log for lines that messages from outside cause. A sender on the bus must not fill the disk of a log collector. So lines above a
// rate are counted instead of written, and the count is written with the first line of the next period.
import { shortened } from '#protocol/text.ts'

/** Lines that one period may write. */
const LINES = 20
const PERIOD_SECONDS = 60
/** Characters of the longest line. */
const LONGEST_LINE = 1000

/** `now`: seconds. */
export function createLimitedLog(log: (line: string) => void, now: () => number): (line: string) => void {
  let began = now()
  let written = 0
  let leftOut = 0
  return (line) => {
    if (now() - began >= PERIOD_SECONDS) {
      if (leftOut > 0) log(`${leftOut} more lines of this kind were not written`)
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
