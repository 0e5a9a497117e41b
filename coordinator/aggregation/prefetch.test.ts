import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefetch } from './prefetch.ts'

test('results come in order, and no more than `ahead` tasks are started early', async () => {
  const started: number[] = []
  const tasks = Array.from({ length: 6 }, (_, i) => async () => {
    started.push(i)
    await new Promise((resolve) => setTimeout(resolve, 6 - i))
    return i
  })
  const seen: number[] = []
  for await (const result of prefetch(tasks, 2)) {
    seen.push(result)
    assert.ok(started.length <= result + 3, `${started.length} started at ${result}`)
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5])
})

test('an error is thrown at the turn of its task, after the running tasks have ended', async () => {
  let settled = false
  const tasks = [
    async () => 'good',
    async () => {
      throw new Error('bad')
    },
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      settled = true
      return 'late'
    },
  ]
  const results = prefetch(tasks, 2)
  assert.equal((await results.next()).value, 'good')
  await assert.rejects(results.next(), /bad/)
  assert.ok(settled)
})
