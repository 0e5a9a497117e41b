// The queue's guarantees: a key waits once, is never worked on twice at a time, urgent keys start first, failed keys are retried,
// and stop waits. And random histories, against a model that is too simple to be wrong.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import { type QueueOptions, WorkQueue } from './queue.ts'

const OPTIONS: QueueOptions = { workers: 4, deadlineMs: 60_000, onError: () => {}, random: () => 0 }

test('a key that is added many times while it is worked on gets one more pass, afterwards', async () => {
  let [active, most, runs] = [0, 0, 0]
  const gate = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  const work = async (): Promise<undefined> => {
    most = Math.max(most, ++active)
    if (++runs === 1) await gate.promise
    else second.resolve()
    active--
  }
  const queue = new WorkQueue(work, OPTIONS)
  queue.start()
  queue.add('a')
  await Promise.resolve()
  for (let i = 0; i < 5; i++) queue.add('a')
  gate.resolve()
  await second.promise
  await queue.stop(0)
  assert.deepEqual([runs, most], [2, 1])
})

test('a failed key is retried; its error is reported with the number of failures in a row', async () => {
  const reported: unknown[] = []
  const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let runs = 0
  const work = async (): Promise<undefined> => {
    runs += 1
    if ([1, 2, 4].includes(runs)) throw new Error('not yet')
    ends[runs === 3 ? 0 : 1]?.resolve()
  }
  const queue = new WorkQueue(work, { ...OPTIONS, onError: (...all) => reported.push(all) })
  queue.start()
  queue.add('a')
  await ends[0]?.promise
  queue.add('a')
  await ends[1]?.promise
  await queue.stop(0)
  assert.deepEqual(
    reported,
    [1, 2, 1].map((count) => ['a', new Error('not yet'), count]),
  )
})

test('a pass that takes longer than the deadline is aborted, and has failed', async () => {
  const failed = Promise.withResolvers<unknown>()
  const work = (_: string, signal: AbortSignal): Promise<undefined> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const queue = new WorkQueue(work, {
    ...OPTIONS,
    deadlineMs: 5,
    onError: (_, error) => failed.resolve(error),
  })
  queue.start()
  queue.add('a')
  assert.match(String(await failed.promise), /took longer than/)
  await queue.stop(0)
})

test('stop waits for active passes, aborts them after the grace period, and starts none', async () => {
  const begun: string[] = []
  const work = (key: string, signal: AbortSignal): Promise<undefined> => {
    begun.push(key)
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const queue = new WorkQueue(work, { ...OPTIONS, workers: 1 })
  queue.start()
  queue.add('a')
  queue.add('b')
  await queue.stop(1)
  queue.add('c')
  assert.deepEqual([begun, queue.running()], [['a'], []])
})

/** The queue as one would explain it: two lists, a set of active keys, and times of keys that are due later. */
class Model {
  high: string[] = []
  low: string[] = []
  active: string[] = []
  later = new Map<string, number>()
  failures = new Map<string, number>()
  now = 0
  started: string[] = []

  add(key: string, low: boolean): void {
    if (this.high.includes(key) || (low && this.low.includes(key))) return
    this.low = this.low.filter((other) => other !== key)
    ;(low ? this.low : this.high).push(key)
    this.pump()
  }

  pump(): void {
    for (const list of [this.high, this.low]) {
      for (const key of [...list]) {
        if (this.active.length >= 2 || this.active.includes(key)) continue
        list.splice(list.indexOf(key), 1)
        this.active.push(key)
        this.started.push(key)
      }
    }
  }

  addAfter(key: string, milliseconds: number): void {
    const at = this.now + milliseconds
    if ((this.later.get(key) ?? Number.POSITIVE_INFINITY) <= at) return
    this.later.delete(key) // keys of one time are added in the order of the calls
    this.later.set(key, at)
  }

  tick(milliseconds: number): void {
    this.now += milliseconds
    const due = [...this.later].filter(([, at]) => at <= this.now)
    for (const [key] of due.sort(([, a], [, b]) => a - b)) {
      this.later.delete(key)
      this.add(key, false)
    }
  }

  end(key: string, failed: boolean): void {
    const count = failed ? (this.failures.get(key) ?? 0) + 1 : 0
    this.failures.set(key, count)
    if (failed) this.addAfter(key, Math.min(5 * 2 ** (count - 1), 1_000_000))
    this.active = this.active.filter((other) => other !== key)
    this.pump()
  }
}

type Step =
  | { readonly do: 'add'; readonly key: string; readonly low: boolean }
  | { readonly do: 'later'; readonly key: string; readonly milliseconds: number }
  | { readonly do: 'tick'; readonly milliseconds: number }
  | { readonly do: 'end'; readonly which: number; readonly failed: boolean }

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('add' as const), key, low: fc.boolean() }),
    fc.record({ do: fc.constant('later' as const), key, milliseconds: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ do: fc.constant('tick' as const), milliseconds: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ do: fc.constant('end' as const), which: fc.nat(1), failed: fc.boolean() }),
  ),
  { maxLength: 60 },
)

test('random histories: the same keys start in the same order as in the model', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const clock = mock.method(performance, 'now', () => 0)
  try {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const model = new Model()
        clock.mock.mockImplementation(() => model.now)
        const started: string[] = []
        const active = new Map<string, PromiseWithResolvers<undefined>>()
        const work = (name: string): Promise<undefined> => {
          assert.ok(!active.has(name), `${name} twice at a time`)
          started.push(name)
          active.set(name, Promise.withResolvers())
          return active.get(name)!.promise
        }
        const queue = new WorkQueue(work, { ...OPTIONS, workers: 2, deadlineMs: 1e9 })
        queue.start()
        for (const step of history) await take(step, { model, queue, active })
        assert.deepEqual(started, model.started)
        assert.equal(queue.depth(), model.high.length + model.low.length)
        for (const { resolve } of active.values()) resolve(undefined)
        await queue.stop(0)
      }),
      { numRuns: 300 },
    )
  } finally {
    mock.timers.reset()
    mock.restoreAll()
  }
})

async function take(
  step: Step,
  at: {
    model: Model
    queue: WorkQueue
    active: Map<string, PromiseWithResolvers<undefined>>
  },
): Promise<void> {
  const { model, queue, active } = at
  if (step.do === 'add') {
    model.add(step.key, step.low)
    queue.add(step.key, step.low)
  } else if (step.do === 'later') {
    model.addAfter(step.key, step.milliseconds)
    queue.addAfter(step.key, step.milliseconds)
  } else if (step.do === 'tick') {
    // One millisecond at a time, so that keys become due in their order.
    for (let i = 0; i < step.milliseconds; i++) {
      model.tick(1)
      mock.timers.tick(1)
    }
  } else {
    const name = model.active[step.which]
    if (name === undefined) return
    model.end(name, step.failed)
    const { resolve, reject } = active.get(name)!
    active.delete(name)
    if (step.failed) reject(new Error('failed'))
    else resolve(undefined)
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
}
