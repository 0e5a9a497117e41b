// How V8 runs our programs, whose JavaScript heaps are small and whose payloads are buffers outside of them.
// The figures are of `npm run bench -- round` and of `node bench/flower.ts 1`.
import { setFlagsFromString } from 'node:v8'

/** To be called once, at the start of a program. */
export function tuneEngine(): void {
  // Each buffer counts as growth, so V8 starts an incremental marking of the whole heap several times a round. Marking in one go
  // takes a few milliseconds of a heap of 15 to 30 MB: a round of 1 MB and two clients took 41 ms before and 21 ms after.
  setFlagsFromString('--no-incremental-marking')
  // The young heap stays at the size that it has: doubled to its default limit it holds 15 MB more of garbage, and its collections
  // are as long in all.
  setFlagsFromString('--semi-space-growth-factor=1')
  // The middle compiler inlines the loops over parameters into closures that the last one then leaves alone: half of their speed.
  setFlagsFromString('--no-maglev-inlining')
}
