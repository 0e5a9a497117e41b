// How V8 collects garbage in our programs, whose JavaScript heaps are small and whose payloads are buffers outside of them.
// Each buffer counts as growth, so V8 starts an incremental marking of the whole heap several times a round. Marking in one go
// takes a few milliseconds of a heap of 15 to 30 MB: a round of 1 MB and two clients took 41 ms before and 21 ms after
// (`npm run bench -- round`).
import { setFlagsFromString } from 'node:v8'

/** To be called once, at the start of a program. */
export function tuneCollector(): void {
  setFlagsFromString('--no-incremental-marking')
}
