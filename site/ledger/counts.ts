// What the data sets of a site gave so far: plain data, how a task is added to it, and its form on disk. Guarantees that a count never
// falls, and that bytes with any damage are not read. ledger.ts keeps it in a file. Pure.
import * as v from 'valibot'
import { canonicalJson, decodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { Count, Digest } from '#protocol/values.ts'
import type { Charge, Usage } from '../policy/decide-task.ts'

/** The last tasks that are remembered, over all runs. A run whose task was dropped counts that task a second time. */
const MOST_TASKS = 256
/** Bytes of a ledger: 256 tasks of 400 bytes, and some thousand data sets. */
export const MOST_LEDGER_BYTES = 2 ** 20

const Name = v.pipe(v.string(), v.maxLength(256))
/** A day in UTC, which sorts as text. */
const Day = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\d$/))

const CountSchema = v.strictObject({
  dataset: Name,
  updates: Count,
  evaluations: Count,
  day: Day,
  updatesToday: Count,
})
const TaskSchema = v.strictObject({ dataset: Name, run: Name, task: Digest })
const CountsSchema = v.strictObject({
  schema: v.literal('fedsam.site-ledger/1'),
  datasets: v.array(CountSchema),
  /** The last task of each run and data set, the newest last. */
  tasks: v.pipe(v.array(TaskSchema), v.maxLength(MOST_TASKS)),
})

export type Counts = v.InferOutput<typeof CountsSchema>
type DatasetCount = v.InferOutput<typeof CountSchema>
/** A task of a run, by the digest of everything that its results depend on. */
export type CountedTask = v.InferOutput<typeof TaskSchema>

export const NO_COUNTS: Counts = { schema: 'fedsam.site-ledger/1', datasets: [], tasks: [] }

/** What a data set gave, on a day of the form 2026-11-30. A clock that was set back does not begin a new day. */
export function usageOf(counts: Counts, dataset: string, day: string): Usage {
  const { updates, evaluations, updatesToday } = countOf(counts, dataset, day)
  return { updates, evaluations, updatesToday }
}

function countOf({ datasets }: Counts, dataset: string, day: string): DatasetCount {
  const kept = datasets.find((one) => one.dataset === dataset)
  if (kept === undefined) return { dataset, updates: 0, evaluations: 0, day, updatesToday: 0 }
  return day > kept.day ? { ...kept, day, updatesToday: 0 } : kept
}

/** Whether this is the last task that its run counted: then it gives the same results once more, and takes nothing new. */
export function isCounted({ tasks }: Counts, task: CountedTask): boolean {
  return tasks.some((one) => one.task === task.task && isSameRun(one, task))
}

/** The counts with one more task. */
export function added(counts: Counts, task: CountedTask, charge: Charge, day: string): Counts {
  const count = countOf(counts, task.dataset, day)
  const next = {
    ...count,
    updates: count.updates + charge.updates,
    evaluations: count.evaluations + charge.evaluations,
    updatesToday: count.updatesToday + charge.updates,
  }
  const others = counts.datasets.filter(({ dataset }) => dataset !== task.dataset)
  const tasks = [...counts.tasks.filter((one) => !isSameRun(one, task)), task]
  return { ...counts, datasets: [...others, next], tasks: tasks.slice(-MOST_TASKS) }
}

function isSameRun(a: CountedTask, b: CountedTask): boolean {
  return a.run === b.run && a.dataset === b.dataset
}

/** The bytes of a ledger: the digest of the rest on a line of its own, then JSON. */
export function encodeCounts(counts: Counts): Uint8Array {
  const text = canonicalJson(counts)
  return Buffer.from(`sha256:${sha256(text)}\n${text}\n`, 'utf8')
}

/** The counts in these bytes; undefined for anything that is not a whole ledger. */
export function decodeCounts(bytes: Uint8Array): Counts | undefined {
  if (bytes.length > MOST_LEDGER_BYTES) return undefined
  const [, digest, text = ''] =
    /^sha256:([0-9a-f]{64})\n([^\n]*)\n$/.exec(Buffer.from(bytes).toString('utf8')) ?? []
  if (digest === undefined || sha256(text) !== digest) return undefined
  try {
    const read = v.safeParse(CountsSchema, decodeJson(Buffer.from(text, 'utf8')))
    return read.success ? read.output : undefined
  } catch {
    return undefined
  }
}
