// V8's flags for our programs: their JavaScript heaps are small, and their payloads are buffers outside the heap.
// `npm run bench -- round` and `node bench/flower.ts 1` measured the figures.
import { setFlagsFromString } from 'node:v8'

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
