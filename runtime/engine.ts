// V8's flags for our programs: their JavaScript heaps are small, and their payloads are buffers outside the heap. And their exit, which
// these flags could otherwise stop. `npm run bench -- round` and `node bench/flower.ts 1` measured the figures.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Sets the flags. Call it once, at the start of a program. */
export function tuneEngine(): void {
  // Each buffer counts as growth, so V8 starts an incremental marking of the whole heap several times a round. Marking a heap of
  // 15 to 30 MB in one step takes a few milliseconds: a round of 1 MB and two clients took 41 ms before, and takes 21 ms now.
  setFlagsFromString('--no-incremental-marking')
  // The young heap keeps its initial size. At its default limit it would hold 15 MB more garbage, and its collections would take
  // as long in total.
  setFlagsFromString('--semi-space-growth-factor=1')
  // The mid-tier compiler inlines the loops over parameters into closures, which the optimising compiler then leaves at half
  // speed.
  setFlagsFromString('--no-maglev-inlining')
}

/**
 * Exits the process. Every program of ours ends here or by itself, never by process.exit() alone.
 *
 * process.exit() joins V8's compiler threads. One of them that finds the heap full waits for the main thread to collect garbage, and the
 * main thread waits for it: the process never ends (nodejs/node#54918, open for Node 24). Without incremental marking a full heap is
 * frequent. So collect first: then the heap has room for what is still being compiled. `npm run bench -- exits` counts the hangs.
 */
export function exitProcess(code: number): never {
  try {
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
  } finally {
    process.exit(code)
  }
}
