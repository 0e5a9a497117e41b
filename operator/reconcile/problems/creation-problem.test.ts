// Pods that the API server rejects: the reason reaches the conditions, for workers and for the coordinator, and ends with its cause.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf, NOW, running, training, truths, withTraining, workerPod } from '#test/given/observed.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { warningOf } from '../../objects/warnings.ts'
import type { Observed } from '../contract.ts'
import { reconcile } from '../reconcile.ts'
import { creationProblem } from './creation-problem.ts'

const at = (milliseconds: number): string => new Date(milliseconds).toISOString().replace('.000Z', 'Z')
const started = (fields: object = {}): Partial<KubernetesObject> => ({
  status: { startTime: at(NOW), ...fields },
})

/** The Job of `name`, with this uid, with these changes. */
function jobOf(name: string, more: Partial<KubernetesObject> = started()): KubernetesObject {
  const found = running.children.find((child) => keyOf(child) === `Job/${name}`)
  assert.ok(found)
  return { ...found, ...more, metadata: { ...found.metadata, uid: `uid-${name}` } }
}

const QUOTA = 'is forbidden: failed quota: team: must specify limits.cpu for: trainer'

/** An Event of the Job controller, as events.k8s.io shows it. */
function refusal(job: string, text = `pods "${job}-x7k2p" ${QUOTA}`, time = NOW): Warning {
  return warningOf({
    regarding: { kind: 'Job', name: job, uid: `uid-${job}` },
    reason: 'FailedCreate',
    note: `Error creating: ${text}`,
    deprecatedLastTimestamp: at(time),
  })
}

const WORKER = 'brain-worker-b'
const pod = (created: number, phase = 'Failed', metadata: object = {}): KubernetesObject => {
  const made = workerPod('b', { phase })
  return { ...made, metadata: { ...made.metadata, creationTimestamp: at(created), ...metadata } }
}

/** [description, the Job, its pods, the warnings, whether there is a problem] */
const CASES: readonly (readonly [string, KubernetesObject, KubernetesObject[], Warning[], boolean])[] = [
  ['a refused pod', jobOf(WORKER), [], [refusal(WORKER)], true],
  ['no warning', jobOf(WORKER), [], [], false],
  ['a warning of another reason', jobOf(WORKER), [], [{ ...refusal(WORKER), reason: 'Other' }], false],
  [
    'a warning about an earlier Job of the name',
    jobOf(WORKER),
    [],
    [{ ...refusal(WORKER), uid: 'o' }],
    false,
  ],
  [
    'a warning without a time',
    jobOf(WORKER),
    [],
    [{ ...refusal(WORKER), at: Number.POSITIVE_INFINITY }],
    true,
  ],
  ['a pod that is pending', jobOf(WORKER), [pod(NOW, 'Pending')], [refusal(WORKER)], false],
  ['a pod that failed before', jobOf(WORKER), [pod(NOW - 1000)], [refusal(WORKER)], true],
  ['a pod that failed later', jobOf(WORKER), [pod(NOW + 1000)], [refusal(WORKER)], false],
  ['a pod of the same second', jobOf(WORKER), [pod(NOW)], [refusal(WORKER)], false],
  [
    'a replacement that is rejected while the pod before it ends',
    jobOf(WORKER),
    [pod(NOW - 1000, 'Running', { deletionTimestamp: at(NOW) })],
    [refusal(WORKER)],
    true,
  ],
  ['a Job that is suspended', { ...jobOf(WORKER), spec: { suspend: true } }, [], [refusal(WORKER)], false],
  [
    'a Job that was resumed later',
    jobOf(WORKER, { status: { startTime: at(NOW + 1000) } }),
    [],
    [refusal(WORKER)],
    false,
  ],
  [
    'a Job that failed',
    jobOf(WORKER, started({ conditions: [{ type: 'Failed', status: 'True' }] })),
    [],
    [refusal(WORKER)],
    false,
  ],
  ['a Job that never began', jobOf(WORKER, { status: {} }), [], [refusal(WORKER)], true],
]
for (const [given, job, pods, warnings, expected] of CASES) {
  test(`${given}: ${expected ? 'the pod cannot be created' : 'no problem'}`, () => {
    assert.equal(creationProblem(job, pods, warnings) !== undefined, expected)
  })
}

test('the latest rejection is shown, without the random suffix of the name of the pod', () => {
  const again = refusal(
    WORKER,
    `pods "${WORKER}-aaaaa" is forbidden: no PriorityClass with name high`,
    NOW + 1,
  )
  const combined = warningOf({
    regarding: { kind: 'Job', name: WORKER, uid: `uid-${WORKER}` },
    reason: 'FailedCreate',
    note: `(combined from similar events): Error creating: pods "${WORKER}-bbbbb" ${QUOTA}`,
    deprecatedLastTimestamp: at(NOW - 5000),
    series: { lastObservedTime: at(NOW + 2000) },
  })
  const problemOf = (...warnings: Warning[]): string | undefined =>
    creationProblem(jobOf(WORKER), [], warnings)
  const quota = `its pod cannot be created: pods "${WORKER}" ${QUOTA}`
  assert.equal(problemOf(refusal(WORKER)), quota)
  assert.equal(
    problemOf(again, refusal(WORKER)),
    `its pod cannot be created: pods "${WORKER}" is forbidden: no PriorityClass with name high`,
  )
  assert.equal(problemOf(again, combined, refusal(WORKER)), quota)
  assert.equal(
    problemOf(refusal(WORKER, 'denied by a webhook')),
    'its pod cannot be created: denied by a webhook',
  )
})

test('a message is cut at a bound, and an event of any shape is read', () => {
  assert.equal(warningOf({ note: 'x'.repeat(5000) }).message.length, 1024)
  const nothing = { kind: '', name: '', uid: '', reason: '', message: '', at: Number.POSITIVE_INFINITY }
  for (const event of [undefined, null, 3, [], { regarding: 3, note: {}, series: [] }])
    assert.deepEqual(warningOf(event), nothing)
})

function messageOf(observed: Observed, condition: string): string {
  const { status } = reconcile(observed)
  return status?.conditions.find(({ type }) => type === condition)?.message ?? ''
}

test("QuorumAvailable and the column show the rejection of a worker's pod, Ready that of the coordinator's", () => {
  const children = running.children.map((child) =>
    child.kind === 'Job' ? jobOf(child.metadata.name) : child,
  )
  const workers = { ...running, children, warnings: [refusal('brain-worker-a'), refusal(WORKER)] }
  const problemOf = (partition: string): string =>
    `${partition}: its pod cannot be created: pods "brain-worker-${partition}" ${QUOTA}`
  const message = `${problemOf('a')}; ${problemOf('b')}. 0 of 2 needed clients are available.`
  assert.equal(messageOf(workers, 'QuorumAvailable'), message)
  assert.equal(reconcile(workers).status?.summary?.message, message)
  const both = { ...workers, warnings: [...workers.warnings, refusal('brain-coordinator')] }
  // Also after a report of an earlier coordinator: nobody runs the rounds now.
  for (const job of [both.job, withTraining(both.job, training('Training'))]) {
    assert.equal(truths(reconcile({ ...both, job })).Ready, 'Unknown CoordinatorUnavailable')
    assert.equal(
      messageOf({ ...both, job }, 'Ready'),
      `The coordinator: its pod cannot be created: pods "brain-coordinator" ${QUOTA}`,
    )
  }
  const cured = { ...workers, pods: [pod(NOW + 1000, 'Pending')] }
  assert.doesNotMatch(messageOf(cured, 'QuorumAvailable'), /b: /)
})
