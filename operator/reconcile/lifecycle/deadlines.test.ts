// Deadlines and queues: no clock runs while a queue holds a Job, and each restarts at 0 when the Job is admitted again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { after, jobWith, NOW, observe, training, truths, withTraining } from '#test/given/observed.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import type { Observed } from '../contract.ts'
import { reconcile } from '../reconcile.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const labels = { 'kueue.x-k8s.io/queue-name': 'gpus' }
const at = (milliseconds: number): string => new Date(milliseconds).toISOString()

/** A job whose Jobs wait in a queue. */
const queued = after(observe(jobWith({ activeDeadlineSeconds: 7200 }, { labels })))

/** The queue admits the Jobs of these names. The Job controller wrote the new start at `time`, or has not written it yet. */
function admitted(observed: Observed, names: RegExp, time?: number): Observed {
  const status =
    time === undefined
      ? { conditions: [{ type: 'Suspended', status: 'True' }], startTime: at(NOW - DAY) }
      : { conditions: [{ type: 'Suspended', status: 'False' }], startTime: at(time) }
  const children = observed.children.map(
    (child): KubernetesObject =>
      child.kind === 'Job' && names.test(child.metadata.name)
        ? { ...child, spec: { ...child.spec, suspend: false }, status }
        : child,
  )
  return { ...observed, children }
}

const messageOf = (observed: Observed, condition: string): string =>
  reconcile(observed).status?.conditions.find(({ type }) => type === condition)?.message ?? ''

test('while the queue holds the Jobs no deadline passes, and the messages name the queue', () => {
  const late = { ...queued, now: NOW + 9 * DAY }
  const desired = reconcile(late)
  assert.equal(truths(desired).Ready, 'Unknown Queued')
  assert.equal(truths(desired).Failed, 'False NotFailed')
  assert.equal(desired.requeueAfterSeconds, undefined)
  assert.match(
    messageOf(late, 'Ready'),
    /^Queue gpus holds the coordinator's Job brain-coordinator; the run continues when/,
  )
  assert.match(
    messageOf(late, 'QuorumAvailable'),
    /^a: queue gpus holds its Job; b: queue gpus holds its Job\./,
  )
})

test('the start deadline begins when the queue has admitted every Job, the active deadline when it has admitted the coordinator', () => {
  const now = NOW + DAY
  const coordinator = admitted({ ...queued, now }, /coordinator/, now)
  assert.equal(reconcile(coordinator).requeueAfterSeconds, 7200, 'the workers are held: no start deadline')
  assert.equal(truths(reconcile(coordinator)).Ready, 'Unknown Starting')
  const all = admitted({ ...queued, now }, /./, now)
  assert.equal(reconcile(all).requeueAfterSeconds, 3600)
  assert.equal(truths(reconcile({ ...all, now: now + HOUR })).Failed, 'True StartDeadlineExceeded')
  const begun = { ...all, job: withTraining(all.job, training('Training')) }
  assert.equal(reconcile({ ...begun, now: now + HOUR }).requeueAfterSeconds, 3600)
  assert.equal(truths(reconcile({ ...begun, now: now + 2 * HOUR })).Failed, 'True DeadlineExceeded')
})

test('a Job that the queue has just admitted starts now, although its status still shows an earlier start', () => {
  const now = NOW + DAY
  assert.equal(reconcile(admitted({ ...queued, now }, /./)).requeueAfterSeconds, 3600)
})

test('a coordinator that the queue suspends in the middle of a run: Queued, and its clock restarts', () => {
  const now = NOW + HOUR
  const begun = { ...queued, now, job: withTraining(queued.job, training('Training')) }
  assert.equal(truths(reconcile(begun)).Ready, 'Unknown Queued')
  const again = admitted({ ...begun, now: now + DAY }, /./, now + DAY)
  assert.equal(truths(reconcile(again)).Ready, 'True Training')
  assert.equal(reconcile(again).requeueAfterSeconds, 7200)
})

test('a recreated worker does not move the start deadline', () => {
  const all = admitted({ ...queued, now: NOW + 1000 }, /./, NOW)
  const children = all.children.map((child) =>
    child.metadata.name === 'brain-worker-a'
      ? {
          ...child,
          metadata: { ...child.metadata, annotations: { 'fedsam.dev/attempt': '2' } },
          status: { startTime: at(NOW + HOUR / 2) },
        }
      : child,
  )
  assert.equal(truths(reconcile({ ...all, children, now: NOW + HOUR })).Failed, 'True StartDeadlineExceeded')
})

test('the message of the start deadline names the fault that the job waited for, or the missing clients', () => {
  const all = admitted({ ...queued, now: NOW }, /./, NOW)
  const late = (reason: string): string => {
    const waiting = training('Waiting', {
      round: 0,
      reason,
      message: 'spec.resumeFrom.prefix: s3://b/p holds no run.',
    })
    const job = withTraining(all.job, waiting)
    return messageOf({ ...all, job, now: NOW + HOUR }, 'Failed')
  }
  assert.match(
    late('RecordUnavailable'),
    /\(3600\)\. The coordinator waited: spec\.resumeFrom\.prefix: s3:\/\/b\/p holds no run\. Correct the cause/,
  )
  assert.match(
    late('NotEnoughClients'),
    /\(3600\)\. Find out from the events and logs of the pods which client/,
  )
})
