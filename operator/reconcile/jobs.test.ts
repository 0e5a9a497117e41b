// The Jobs over time: workers are suspended while too few clients are available, ended Jobs recreated, Jobs of changed partitions
// replaced.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  after,
  jobWith,
  keyOf,
  NOW,
  observe,
  running,
  SPEC,
  training,
  withTraining,
  writesOf,
} from '#test/given/observed.ts'
import type { KubernetesObject } from '../objects/shapes.ts'
import type { Desired, Observed } from './contract.ts'
import { reconcile } from './reconcile.ts'

const WORKERS = ['Job/brain-worker-a', 'Job/brain-worker-b']
const MINUTE = 60_000
const at = (milliseconds: number): string => new Date(milliseconds).toISOString()

function paused(pauseUntil: string): Observed {
  const state = training('Waiting', { reason: 'NotEnoughClients', message: 'b is missing.', pauseUntil })
  return { ...running, job: withTraining(running.job, state) }
}

test('a pause of the coordinator suspends the workers until its end; the message says until when', () => {
  const observed = paused(at(NOW + MINUTE))
  const desired = reconcile(observed)
  assert.deepEqual(
    writesOf(desired),
    WORKERS.map((name) => `Apply ${name}`),
  )
  assert.ok(desired.writes.every(({ object }) => object.spec?.suspend === true))
  assert.equal(desired.requeueAfterSeconds, 60)
  assert.equal(
    desired.status?.summary?.message,
    'b is missing. The workers are suspended until 08:01:00Z, so that others get their devices.',
  )
  const then = { ...after(observed), now: NOW + MINUTE }
  const next = reconcile(then)
  assert.ok(next.writes.length === 2 && next.writes.every(({ object }) => object.spec?.suspend === false))
  assert.deepEqual(writesOf(reconcile(after(then))), [])
})

test('with the label of a queue a pause suspends no worker', () => {
  const labels = { 'kueue.x-k8s.io/queue-name': 'gpus' }
  const created = after(observe(jobWith({}, { labels })))
  const admitted = created.children.map((child) => ({ ...child, spec: { ...child.spec, suspend: false } }))
  const { job } = paused(at(NOW + MINUTE))
  const observed = { ...created, children: admitted, job: { ...created.job, status: job.status! } }
  const desired = reconcile(observed)
  assert.deepEqual(writesOf(desired), [])
  assert.equal(desired.status?.summary?.message, 'b is missing.')
})

test('a pause that ends in more than ten minutes begins ten minutes before its end', () => {
  const far = paused(at(NOW + 20 * MINUTE))
  assert.deepEqual(writesOf(reconcile(far)), [])
  assert.equal(reconcile(far).requeueAfterSeconds, 600)
  const near = { ...far, now: NOW + 10 * MINUTE }
  assert.equal(writesOf(reconcile(near)).length, 2)
})

test('the pause of an earlier job, and one without a valid time, do not count', () => {
  const other = withTraining(running.job, training('Waiting', { uid: 'u0', pauseUntil: at(NOW + MINUTE) }))
  for (const observed of [{ ...running, job: other }, paused('soon')])
    assert.deepEqual(writesOf(reconcile(observed)), [])
})

function ended(type: 'Failed' | 'Complete', time: number, attempt?: number): Observed {
  const conditions = [
    {
      type,
      status: 'True',
      reason: 'BackoffLimitExceeded',
      message: 'too often',
      lastTransitionTime: at(time),
    },
  ]
  const children = running.children.map((child): KubernetesObject => {
    if (keyOf(child) !== 'Job/brain-worker-a') return child
    const annotations = attempt === undefined ? {} : { 'fedsam.dev/attempt': String(attempt) }
    return {
      ...child,
      metadata: {
        ...child.metadata,
        uid: 'old',
        annotations: { ...child.metadata.annotations, ...annotations },
      },
      status: { conditions },
    }
  })
  return { ...running, children }
}

const RENEWAL = ['Delete Job/brain-worker-a', 'Create Job/brain-worker-a']
for (const [attempt, minutes] of [
  [undefined, 1],
  [2, 2],
  [3, 4],
  [5, 16],
  [6, 30],
  [99, 30],
] as const) {
  test(`a worker's Job that failed for good, attempt ${attempt ?? 1}: recreated after ${minutes} min`, () => {
    const observed = ended('Failed', NOW, attempt)
    const early = reconcile(observed)
    assert.deepEqual(writesOf(early), [])
    assert.equal(early.requeueAfterSeconds, minutes * 60)
    const quorum = early.status?.conditions.find(({ type }) => type === 'QuorumAvailable')
    assert.match(quorum?.message ?? '', /^a: failed, BackoffLimitExceeded: too often; retried at 08:/)
    const due = reconcile({ ...observed, now: NOW + minutes * MINUTE })
    assert.deepEqual(writesOf(due), RENEWAL)
    const [gone, created] = due.writes
    assert.equal(gone?.object.metadata.uid, 'old')
    assert.equal(created?.object.metadata.annotations?.['fedsam.dev/attempt'], String((attempt ?? 1) + 1))
    assert.deepEqual(writesOf(reconcile(after({ ...observed, now: NOW + minutes * MINUTE }))), [])
  })
}

test('a Job that completed although the run continues is recreated; after the run no Job is', () => {
  const observed = { ...ended('Complete', NOW), now: NOW + MINUTE }
  assert.deepEqual(writesOf(reconcile(observed)), RENEWAL)
  const over = after({ ...observed, job: withTraining(running.job, training('Complete')) })
  assert.deepEqual(writesOf(reconcile(over)), ['Delete Job/brain-worker-b'])
})

function changed(a: object): Desired {
  const partitions = [{ name: 'a', ...a }, { name: 'b' }]
  return reconcile({ ...running, job: { ...running.job, spec: { ...SPEC, partitions } } })
}

test('a changed partition gets a new Job, unless its pod does not depend on the changed field', () => {
  assert.deepEqual(writesOf(changed({ source: { persistentVolumeClaim: { claimName: 'scans' } } })), RENEWAL)
  assert.deepEqual(writesOf(changed({ workers: { accelerator: {} } })), RENEWAL)
  assert.deepEqual(writesOf(changed({ train: false, dataset: { heldOutFraction: 0.2 } })), [])
  // Without heldOutFraction, a partition that only evaluates holds out all of its images.
  assert.deepEqual(writesOf(changed({ train: false })), RENEWAL)
  assert.deepEqual(writesOf(changed({ dataset: { root: '/data', heldOutFraction: 0.2 } })), [])
})

test('a Job without a revision, of an earlier operator, keeps running and gets the annotation', () => {
  const children = running.children.map((child) => {
    const { annotations: _, ...metadata } = child.metadata
    return { ...child, metadata }
  })
  assert.deepEqual(
    writesOf(reconcile({ ...running, children })),
    WORKERS.map((name) => `Apply ${name}`),
  )
})

test('a Job that is being deleted is recreated only when it is gone', () => {
  const children = running.children.map((child) =>
    keyOf(child) === 'Job/brain-worker-a'
      ? { ...child, metadata: { ...child.metadata, deletionTimestamp: at(NOW) } }
      : child,
  )
  assert.deepEqual(writesOf(reconcile({ ...running, children })), [])
  const gone = running.children.filter((child) => keyOf(child) !== 'Job/brain-worker-a')
  assert.deepEqual(writesOf(reconcile({ ...observe(jobWith()), job: running.job, children: gone })), [
    'Create Job/brain-worker-a',
  ])
})
