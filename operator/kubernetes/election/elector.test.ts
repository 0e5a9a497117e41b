// An elector that slept through its lease: it reports the loss, and writes nothing before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { Elector } from './elector.ts'

/** The elector wakes up for its renewal when its lease has expired already. */
const TIMES = { durationSeconds: 15, renewSeconds: 0.2, retrySeconds: 0.4 }

test('an elector that slept through its lease reports the loss before it writes again', async () => {
  const stop = new AbortController()
  const writes: string[] = []
  const call = async <T>({ method, body }: Call): Promise<T> => {
    if (method === 'GET') throw new ApiError(404, 'NotFound', 'no lease')
    writes.push(method)
    // A second write is the fault that this test looks for. The abort lets the test end with it.
    if (writes.length > 1) stop.abort()
    return { ...(body as object), metadata: { resourceVersion: '1' } } as T
  }
  const elector = new Elector({ call } as unknown as KubernetesClient, {
    namespace: 'fedsam-system',
    name: 'fedsam-operator',
    identity: 'us',
    times: TIMES,
    onError: assert.ifError,
    signal: stop.signal,
  })
  assert.equal(await elector.acquire(), true)
  assert.equal(await elector.hold(), 'Lost')
  assert.deepEqual(writes, ['POST'])
  assert.equal(elector.isLeader(), false)
})
