// The operator acts on what it saw long ago: a cache that lags, a restart that travels back in time, notifications that were merged
// or lost. What it then does wrong is refused or repaired: passes on the truth end where they would have ended anyway.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { Observed } from '#operator/reconcile/contract.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import {
  type Bench,
  carryOut,
  createJob,
  endState,
  NOW,
  openBench,
  patch,
  read,
  recorded,
  SPEC,
  settle,
  train,
} from './passes.ts'

let bench: Bench
before(async () => {
  bench = await openBench()
})
after(() => bench?.stop())

const [A, B, S] = SPEC.partitions
/** A job's life, step by step. */
const STEPS: readonly ((namespace: string, uid: string) => Promise<void>)[] = [
  (namespace) => patch(bench, namespace, { spec: { partitions: [A, B, { name: 'c' }] } }),
  (namespace) => patch(bench, namespace, { spec: { suspend: true } }),
  (namespace) => patch(bench, namespace, { spec: { suspend: false, rounds: 20 } }),
  (namespace, uid) =>
    train(bench, namespace, { uid, epoch: 1, round: 3, attempt: 1, state: 'Training', reason: '' }),
  (namespace) =>
    patch(bench, namespace, { spec: { partitions: [{ ...A, dataset: { root: '/x' } }, S, { name: 'd' }] } }),
]

/** Runs the life with a pass after each step of `seen`; returns what was observed before each pass. */
async function live(namespace: string, seen: (step: number) => boolean): Promise<Observed[]> {
  const { metadata } = await createJob(bench, namespace)
  const snapshots: Observed[] = []
  const look = async (): Promise<void> => {
    const observed = await read(bench, namespace)
    assert.ok(observed)
    snapshots.push(observed)
    await settle(bench, namespace)
  }
  if (seen(-1)) await look()
  for (const [i, step] of STEPS.entries()) {
    await step(namespace, metadata.uid)
    if (seen(i)) await look()
  }
  await settle(bench, namespace)
  return snapshots
}

/** Only a refusal may come of acting on the past. */
async function actOnThePast(snapshot: Observed): Promise<void> {
  await carryOut(bench, snapshot).catch((error: unknown) => {
    assert.ok(error instanceof ApiError && [404, 409, 422].includes(error.status), String(error))
  })
}

test('every older snapshot, acted on at the end: the status is refused, the rest is repaired', async () => {
  const snapshots = await live('lagging', () => true)
  const expected = await endState(bench, 'lagging')
  assert.equal(snapshots.length, STEPS.length + 1)
  for (const [i, snapshot] of snapshots.entries()) {
    await actOnThePast(snapshot)
    await settle(bench, 'lagging')
    assert.deepEqual(await endState(bench, 'lagging'), expected, `snapshot ${i}`)
  }
})

test('a restart that travels back through all snapshots before it sees the truth', async () => {
  const snapshots = await live('travelling', () => true)
  const expected = await endState(bench, 'travelling')
  for (const snapshot of snapshots.toReversed()) await actOnThePast(snapshot)
  for (const snapshot of snapshots) await actOnThePast(snapshot)
  await settle(bench, 'travelling')
  assert.deepEqual(await endState(bench, 'travelling'), expected)
})

test('merged and lost notifications: whichever steps were seen, the end is the same', async () => {
  await live('all-seen', () => true)
  const expected = await endState(bench, 'all-seen')
  const subsets = fc.sample(fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), { numRuns: 12, seed: 7 })
  for (const [i, subset] of subsets.entries()) {
    await live(`lost-${i}`, (step) => subset[step + 1]!)
    assert.deepEqual(await endState(bench, `lost-${i}`), expected, subset.join())
  }
})

test('what was seen of an earlier job of the same name writes nothing into the new one', async () => {
  await createJob(bench, 'again')
  const old = await read(bench, 'again')
  assert.ok(old)
  await settle(bench, 'again')
  const settled = await read(bench, 'again')
  assert.ok(settled)
  await bench.server.kubectl(['delete', 'fj', 'brain', '-n', 'again', '--cascade=background', '--wait=false'])
  await bench.server.kubectl(['apply', '-n', 'again', '-f', '-'], JSON.stringify(fresh()))
  const later = { ...settled, job: { ...settled.job, spec: { ...settled.job.spec, suspend: true } } }
  for (const snapshot of [old, later]) await actOnThePast({ ...snapshot, now: NOW + 1000 })
  const status = (await read(bench, 'again'))?.job.status
  assert.equal(status?.conditions, undefined)
  // The old job's children are foreign to the new one: it says so, and leaves them.
  const last = recorded(bench)
  await settle(last, 'again')
  const reconciling = (await read(bench, 'again'))?.job.status?.conditions?.find(
    ({ type }) => type === 'Reconciling',
  )
  assert.equal(reconciling?.reason, 'ChildConflict')
  assert.ok(
    last.writes.every((write) => !write.startsWith('DELETE')),
    last.writes.join('\n'),
  )
})

function fresh(): object {
  return {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain' },
    spec: SPEC,
  }
}
