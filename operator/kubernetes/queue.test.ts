// The queue's promises: each key once, never twice at a time, again after a failure, and a stop that waits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startQueue } from './queue.ts'

const nothing = (): void => {}

test('a key added many times while it is worked on is looked at once more, never at the same time', async () => {
  let [active, most, runs] = [0, 0, 0]
  const gate = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  const work = async (): Promise<void> => {
    most = Math.max(most, ++active)
    if (++runs === 1) await gate.promise
    else second.resolve()
    active--
  }
  const queue = startQueue(work, { workers: 4, onError: nothing })
  queue.add('a')
  await Promise.resolve()
  for (let i = 0; i < 5; i++) queue.add('a')
  gate.resolve()
  await second.promise
  await queue.stop()
  assert.deepEqual([runs, most], [2, 1])
})

test('a failed key is tried again; what it threw is told', async () => {
  const errors: unknown[] = []
  const done = Promise.withResolvers<void>()
  const work = async (): Promise<void> => {
    if (errors.length < 2) throw new Error('not yet')
    done.resolve()
  }
  const queue = startQueue(work, { workers: 1, onError: (_, error) => errors.push(error) })
  queue.add('a')
  await done.promise
  await queue.stop()
  assert.equal(errors.length, 2)
})

test('no more keys at a time than workers, and stop waits for them', async () => {
  let [active, most, finished] = [0, 0, 0]
  const work = async (): Promise<void> => {
    most = Math.max(most, ++active)
    await new Promise((resolve) => setImmediate(resolve))
    active--
    finished++
  }
  const queue = startQueue(work, { workers: 2, onError: nothing })
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key)
  await Promise.resolve()
  await queue.stop()
  assert.equal(most, 2)
  assert.equal(active, 0)
  assert.equal(finished, 2)
})
