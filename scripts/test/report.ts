// Several runs of node's test runner as one report: events in order, one list of failures, one summary at the end that counts everything.
import { Readable } from 'node:stream'

/** As the runner's streams have them. */
export interface TestEvent {
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: each type of event has data of its own.
  readonly data: any
}

/** What the runner says last, in its order. */
const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms']

export interface ReportOptions {
  /** Lines to print before the counts. */
  readonly remarks?: readonly string[]
  /** Whether a skipped test fails the whole run. */
  readonly failOnSkips?: boolean
}

type Runs = readonly (() => AsyncIterable<TestEvent>)[]

/** Starts each run when the one before has ended. The last event is the summary of all runs. */
export function inOneReport(runs: Runs, options: ReportOptions = {}): Readable {
  return Readable.from(events(runs, options))
}

async function* events(runs: Runs, options: ReportOptions): AsyncGenerator<TestEvent> {
  const sums = new Map(COUNTS.map((name) => [name, 0]))
  const ends: TestEvent[] = []
  for (const run of runs)
    for await (const event of run()) {
      const count = countOf(event)
      if (count) sums.set(count.name, sums.get(count.name)! + count.value)
      else if (isEnd(event)) ends.push(event)
      else yield event
    }
  yield* conclusion(sums, ends, options)
}

/** Remarks, counts, and the summary of all runs. */
function* conclusion(
  sums: ReadonlyMap<string, number>,
  ends: readonly TestEvent[],
  { remarks = [], failOnSkips = false }: ReportOptions,
): Generator<TestEvent> {
  const say = (message: string): TestEvent => ({
    type: 'test:diagnostic',
    data: { nesting: 0, message, level: 'info' },
  })
  for (const remark of remarks) yield say(remark)
  const skipped = failOnSkips ? sums.get('skipped')! : 0
  if (skipped > 0) yield say(`this run fails because it skipped ${skipped} tests: in CI every test must run`)
  for (const [name, value] of sums) yield say(`${name} ${value}`)
  const last = ends.at(-1)
  const success = skipped === 0 && ends.every(({ data }) => data.success)
  if (last) yield { ...last, data: { ...last.data, success } }
}

function countOf({ type, data }: TestEvent): { name: string; value: number } | undefined {
  if (type !== 'test:diagnostic' || data.nesting !== 0) return undefined
  const [, name, value] = /^(\w+) ([\d.]+)$/.exec(data.message) ?? []
  return name !== undefined && COUNTS.includes(name) ? { name, value: Number(value) } : undefined
}

/** The summary of a whole run, not of a file: with it the reporter prints what failed. */
function isEnd({ type, data }: TestEvent): boolean {
  return type === 'test:summary' && data.file === undefined
}
