// Fuzz tests for readers of foreign bytes. Each test feeds a reader 10,000 generated inputs and checks three promises:
// the reader returns or throws an error that it documents, no input costs more than 200 ms of processor time, and the
// process never holds more than 64 MB above its idle memory. A fuzz test needs a file of its own, `*.fuzz.test.ts`,
// because memory is measured for the whole process. The seed is fixed; FEDSAM_FUZZ_SEED and FEDSAM_FUZZ_CASES change it.
// A failing input is reported as it is: shrinking an input that costs seconds would take hours.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { FedsamError } from '#protocol/errors.ts'
import { peakRss } from './peak-memory.ts'

/** Processor time that one input may cost, in milliseconds. Processor time, so that a busy machine changes nothing. */
const MOST_MS = 200
/** Memory that the process may hold above idle, in bytes. */
const MOST_BYTES = 64 * 2 ** 20
/** Inputs before memory counts as idle: the engine compiles the reader and sizes its heap in this time. */
const WARM_UP_CASES = 500
/** Inputs between two collections. Without them the garbage of earlier inputs would count as memory of the reader. */
const CASES_PER_COLLECTION = 50

export interface Fuzzed<T> {
  readonly input: fc.Arbitrary<T>
  /** Reads one input. It may be asynchronous. What it returns is dropped. */
  readonly read: (input: T) => unknown
  /** Classes of the errors that the reader documents. FedsamError if none are given. */
  readonly errors?: readonly (abstract new (
    ...args: never[]
  ) => Error)[]
  /** Inputs that the generator must not miss: each is read first. */
  readonly examples?: readonly T[]
}

/** Registers one fuzz test. `what` names the reader and what it reads. */
export function fuzz<T>(what: string, fuzzed: Fuzzed<T>): void {
  test(`fuzz: ${what}`, async () => {
    const { input, examples = [] } = fuzzed
    const numRuns = Number(process.env.FEDSAM_FUZZ_CASES ?? 10_000)
    const seed = Number(process.env.FEDSAM_FUZZ_SEED ?? 20_261_130)
    await fc.assert(
      fc.asyncProperty(input, async (value) => void (await readOne(fuzzed, value))),
      { numRuns: Math.min(numRuns, WARM_UP_CASES), seed: seed + 1, endOnFailure: true },
    )
    const collect = collector()
    collect()
    const idle = process.memoryUsage.rss()
    let count = 0
    const property = fc.asyncProperty(input, async (value) => {
      const spent = await readWithin(fuzzed, value)
      assert.ok(
        spent <= MOST_MS,
        `one input costs ${spent.toFixed(0)} ms of processor time; at most ${MOST_MS}`,
      )
      count += 1
      if (count % CASES_PER_COLLECTION === 0) collect()
    })
    await fc.assert(property, {
      numRuns,
      seed,
      endOnFailure: true,
      examples: examples.map((example): [T] => [example]),
    })
    const above = peakRss() - idle
    assert.ok(
      above <= MOST_BYTES,
      `${(above / 2 ** 20).toFixed(0)} MiB above idle; at most ${MOST_BYTES / 2 ** 20}`,
    )
  })
}

/**
 * Milliseconds of processor time that reading this input takes. A slow reading is repeated twice and the fastest counts:
 * a collection of garbage that earlier inputs left may fall into any of them.
 */
async function readWithin<T>(fuzzed: Fuzzed<T>, value: T): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 3 && best > MOST_MS; attempt += 1) {
    best = Math.min(best, await readOne(fuzzed, value))
  }
  return best
}

async function readOne<T>({ read, errors = [FedsamError] }: Fuzzed<T>, value: T): Promise<number> {
  const begin = process.cpuUsage()
  try {
    await read(value)
  } catch (error) {
    if (!errors.some((known) => error instanceof known)) throw error
  }
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
