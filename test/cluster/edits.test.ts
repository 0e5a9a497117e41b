// 20 of the sequences of edits-in-memory.test.ts on a real API server: it takes and refuses the same edits as the schema and its rules
// do on the command line, and each sequence ends equal to a fresh job of the same spec. And what an apply must not change.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { StoredJob } from '#operator/objects/shapes.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { type Bench, createJob, endState, JOBS, NOW, openBench, read, settle } from './passes.ts'
import { FIRST, SEQUENCES, type Spec, stored, wishes } from './spec-edits.ts'

let bench: Bench
before(async () => {
  bench = await openBench()
})
after(() => bench?.stop())

/** Whether the API server took it. */
async function put(namespace: string, wish: Spec): Promise<boolean> {
  const path = `${JOBS(namespace)}/brain`
  const job = await bench.client.call<StoredJob>({ method: 'GET', path })
  try {
    await bench.client.call({ method: 'PUT', path, body: { ...job, spec: wish } })
    return true
  } catch (error) {
    assert.ok(error instanceof ApiError && error.status === 422, String(error))
    return false
  }
}

const storedSpec = async (namespace: string): Promise<Spec> => {
  const path = `${JOBS(namespace)}/brain`
  return (await bench.client.call<StoredJob>({ method: 'GET', path })).spec as unknown as Spec
}

test('20 of them on a real API server: it takes and refuses the same, and each ends equal to a fresh job', async () => {
  const sequences = fc.sample(SEQUENCES, { numRuns: 20, seed: 20261124 })
  for (const [i, sequence] of sequences.entries()) {
    const namespace = `edits-${i}`
    await createJob(bench, namespace, FIRST)
    let current = await storedSpec(namespace)
    let step = 0
    for (const wish of wishes(sequence, () => current)) {
      const expected = stored(current, wish) !== undefined
      assert.equal(await put(namespace, wish), expected, `sequence ${i}, step ${step}`)
      if (expected) current = await storedSpec(namespace)
      if (sequence.seen[step++]) await settle(bench, namespace)
    }
    await settle(bench, namespace)
    await createJob(bench, `fresh-${i}`, current)
    await settle(bench, `fresh-${i}`)
    assert.deepEqual(await endState(bench, namespace), await endState(bench, `fresh-${i}`), `sequence ${i}`)
  }
})

test('applying the same file twice leaves the generation', async () => {
  await createJob(bench, 'twice', FIRST)
  const file = JSON.stringify({
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'other' },
    spec: { partitions: [{ name: 'a' }, { name: 'b' }], workers: { resources: { requests: { cpu: 1 } } } },
  })
  const generation = (): Promise<string> =>
    bench.server.kubectl(['get', 'fj', 'other', '-n', 'twice', '-o', 'jsonpath={.metadata.generation}'])
  for (const how of [[], ['--server-side', '--force-conflicts']]) {
    await bench.server.kubectl(['apply', '-n', 'twice', ...how, '-f', '-'], file)
    const first = await generation()
    await bench.server.kubectl(['apply', '-n', 'twice', ...how, '-f', '-'], file)
    assert.equal(await generation(), first, how.join(' '))
  }
})

test('a status that nobody wrote tells of no generation; one that is written says which it tells of', async () => {
  const created = await createJob(bench, 'status', FIRST)
  // Before any write of the operator, and in the answer to kubectl apply already.
  assert.deepEqual(created.status, { observedGeneration: -1 })
  assert.deepEqual((await read(bench, 'status'))?.job.status, { observedGeneration: -1 })
  await settle(bench, 'status', NOW)
  assert.equal((await read(bench, 'status'))?.job.status?.observedGeneration, 1)
})
