// A memory budget admits in order, never more than its bytes, and one request that is larger than all of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryBudget } from './memory-budget.ts'

test('the bytes of running work never exceed the budget; all work runs, in order', async () => {
  const requests = fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 15 }), fails: fc.boolean() }))
  await fc.assert(
    fc.asyncProperty(requests, fc.scheduler(), async (list, scheduler) => {
      const budget = new MemoryBudget(10)
      const started: number[] = []
      let held = 0
      const runs = list.map(({ bytes, fails }, i) =>
        budget.run(bytes, async () => {
          started.push(i)
          held += Math.min(bytes, 10)
          assert.ok(held <= 10)
          await scheduler.schedule(Promise.resolve())
          held -= Math.min(bytes, 10)
          if (fails) throw new Error('failed')
        }),
      )
      const settled = Promise.allSettled(runs)
      await scheduler.waitFor(settled)
      assert.deepEqual(
        started,
        list.map((_, i) => i),
      )
      assert.deepEqual(
        (await settled).map(({ status }) => status === 'rejected'),
        list.map(({ fails }) => fails),
      )
    }),
  )
})
