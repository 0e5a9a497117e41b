// Whether programs end that exit in the middle of a compilation: ours, beside the same program with process.exit() alone. The hang of the
// latter is nodejs/node#54918. It needs luck, so many programs exit, each at another moment.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Figure } from './figure.ts'

const PROGRAM = 'bench/exits-process.ts'
const EXITS = 400
const AT_ONCE = 4
/** Milliseconds until a program exits: the compilers work all this time. */
const MOMENTS = { first: 200, last: 1000 }
/** Milliseconds after which a program hangs: twenty times its usual life. */
const LONGEST_MS = 20_000

export const exits: Figure = {
  name: 'exits',
  onlyIfNamed: true,
  async run() {
    const ours = await hangs('ours')
    const plain = await hangs('plain')
    return [
      {
        what: `programs that hang at their end`,
        value: `${ours}`,
        against: `of ${EXITS}; process.exit() alone: ${plain}`,
        met: ours === 0,
      },
    ]
  },
}

/** How many of the programs do not end. */
async function hangs(how: 'ours' | 'plain'): Promise<number> {
  let left = EXITS
  let hanging = 0
  const row = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const ms = MOMENTS.first + ((MOMENTS.last - MOMENTS.first) * left) / EXITS
      const child = spawn(process.execPath, [PROGRAM, String(ms), how], { stdio: 'ignore' })
      const late = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
      const [code] = await once(child, 'exit')
      clearTimeout(late)
      if (code === null) hanging += 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, row))
  return hanging
}
