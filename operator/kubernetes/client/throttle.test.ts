// The rate of calls, and retries after the answers of a busy server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { openBucket, throttled } from './throttle.ts'

test('a burst does not wait, later calls wait in order, and time without calls fills the bucket', () => {
  const wait = openBucket({ perSecond: 10, burst: 2 })
  assert.deepEqual([wait(0), wait(0), wait(0), wait(0)], [0, 0, 100, 200])
  assert.equal(wait(10_000), 0)
  assert.equal(wait(10_000), 0)
  assert.equal(wait(10_000), 100)
})

/** Fails with these errors, one after the other, and then succeeds. */
function busy(errors: readonly Error[]): { client: KubernetesClient; calls: () => number } {
  let calls = 0
  const call = async <T>(): Promise<T> => {
    const error = errors[calls++]
    if (error) throw error
    return 'done' as T
  }
  return { client: { call } as unknown as KubernetesClient, calls: () => calls }
}

const RATE = { perSecond: 1e6, burst: 1e6 }
const GET = { method: 'GET', path: '/x' } as const

test('calls with the answer 429, or 503 with Retry-After, are retried', async () => {
  const { client, calls } = busy([new ApiError(429, 'TooManyRequests', '', 0), new ApiError(503, '', '', 0)])
  assert.equal(await throttled(client, RATE).call(GET), 'done')
  assert.equal(calls(), 3)
})

test('calls with other answers are not retried, and a 429 is not retried without end', async () => {
  for (const error of [
    new ApiError(503, '', ''),
    new ApiError(500, '', '', 0),
    new ApiError(409, 'Conflict', ''),
  ]) {
    const { client, calls } = busy([error])
    await assert.rejects(throttled(client, RATE).call(GET), error)
    assert.equal(calls(), 1)
  }
  const { client, calls } = busy(Array(20).fill(new ApiError(429, '', '', 0)))
  await assert.rejects(throttled(client, RATE).call(GET), { status: 429 })
  assert.equal(calls(), 10)
})

test('the pause ends when the caller gives up', async () => {
  const stop = new AbortController()
  const { client } = busy([new ApiError(429, '', '', 60)])
  const asked = throttled(client, RATE).call({ ...GET, signal: stop.signal })
  stop.abort()
  await assert.rejects(asked, { name: 'AbortError' })
})
