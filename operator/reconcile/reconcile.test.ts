// The truth table of reconcile: for observed facts, the writes, conditions and times. And its two properties: applied to its own
// outcome it wants nothing more, and it never throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import {
  after,
  applied,
  jobWith,
  keyOf,
  NOW,
  observe,
  running,
  SPEC,
  training,
  truths,
  withTraining,
  workerPod,
  writesOf,
} from '#test/given/observed.ts'
import type { KubernetesObject } from '../objects/shapes.ts'
import type { Observed } from './contract.ts'
import { reconcile } from './reconcile.ts'

test('a new job: all children, and Waiting', () => {
  const desired = reconcile(observe(jobWith()))
  assert.deepEqual(writesOf(desired), [
    'Create ServiceAccount/brain-coordinator',
    'Create Role/brain-coordinator',
    'Create RoleBinding/brain-coordinator',
    'Create NetworkPolicy/brain-coordinator',
    'Create NetworkPolicy/brain-workers',
    'Create Job/brain-coordinator',
    'Create ServiceAccount/brain-worker-a',
    'Create Job/brain-worker-a',
    'Create ServiceAccount/brain-worker-b',
    'Create Job/brain-worker-b',
  ])
  assert.equal(truths(desired).Ready, 'Unknown Starting')
  assert.equal(truths(desired).Reconciling, 'True Starting')
  assert.deepEqual(
    desired.announcements.map(({ reason }) => reason),
    ['Starting'],
  )
  assert.equal(desired.status?.startTime, '2026-11-24T08:00:00Z')
  assert.equal(desired.requeueAfterSeconds, 3600)
})

test('every child has an owner reference with the uid of the job', () => {
  for (const { object } of reconcile(observe(jobWith())).writes) {
    assert.deepEqual(
      object.metadata.ownerReferences?.map(({ uid, controller }) => [uid, controller]),
      [['u1', true]],
      keyOf(object),
    )
  }
})

test('the policy of exit codes is that of the table', () => {
  const job = running.children.find((child) => keyOf(child) === 'Job/brain-worker-a')
  const policy = job?.spec?.podFailurePolicy as { rules: { action: string; onExitCodes?: object }[] }
  const exits = { containerName: 'trainer', operator: 'In' }
  assert.deepEqual(
    policy.rules.map(({ action, onExitCodes }) => [action, onExitCodes]),
    [
      ['Ignore', undefined],
      ['Ignore', { ...exits, values: [79, 143] }],
      ['FailJob', { ...exits, values: [65, 76, 78] }],
    ],
  )
  const coordinator = running.children.find((child) => keyOf(child) === 'Job/brain-coordinator')
  assert.equal(coordinator?.spec?.podFailurePolicy, undefined)
  assert.equal(coordinator?.spec?.podReplacementPolicy, 'TerminatingOrFailed')
  assert.equal(job?.spec?.podReplacementPolicy, 'Failed')
})

test('suspend changes only the Jobs; resume lets them continue and restarts the start deadline', () => {
  const suspended = { ...running, job: { ...running.job, spec: { ...SPEC, suspend: true } } }
  const desired = reconcile(suspended)
  const jobs = ['Job/brain-coordinator', 'Job/brain-worker-a', 'Job/brain-worker-b']
  assert.deepEqual(
    writesOf(desired),
    jobs.map((name) => `Apply ${name}`),
  )
  assert.ok(
    desired.writes.every(({ object }) => object.spec?.suspend === true && !('template' in object.spec)),
  )
  assert.equal(truths(desired).Suspended, 'True Suspended')
  assert.equal(desired.requeueAfterSeconds, undefined)
  const later = after(suspended)
  const resumed = { ...later, now: NOW + 9e6, job: { ...later.job, spec: { ...SPEC, suspend: false } } }
  const next = reconcile(resumed)
  assert.equal(truths(next).Reconciling, 'True Starting')
  assert.equal(next.requeueAfterSeconds, 3600)
  assert.equal(next.status?.startTime, '2026-11-24T08:00:00Z')
})

test('an added partition is created, a removed one is deleted, and the others do not change', () => {
  const partitions = [{ name: 'a' }, { name: 'c' }]
  const desired = reconcile({ ...running, job: { ...running.job, spec: { ...SPEC, partitions } } })
  assert.deepEqual(writesOf(desired), [
    'Create ServiceAccount/brain-worker-c',
    'Create Job/brain-worker-c',
    'Delete ServiceAccount/brain-worker-b',
    'Delete Job/brain-worker-b',
  ])
})

test("an object of another owner under a child's name is reported in a condition and does not change", () => {
  const foreign = running.children.map((child) =>
    keyOf(child) === 'Job/brain-worker-a'
      ? { ...child, metadata: { ...child.metadata, ownerReferences: [] } }
      : child,
  )
  const desired = reconcile({ ...running, children: foreign })
  assert.deepEqual(writesOf(desired), [])
  assert.equal(truths(desired).Reconciling, 'True ChildConflict')
  assert.match(desired.status?.summary?.message ?? '', /Job brain-worker-a/)
})

test('children of an earlier job with the same name have another owner, too', () => {
  const job = { ...running.job, metadata: { ...running.job.metadata, uid: 'u2' } }
  const desired = reconcile({ ...running, job })
  assert.deepEqual(writesOf(desired), [])
  assert.equal(truths(desired).Reconciling, 'True ChildConflict')
})

for (const [given, metadata, spec] of [
  ['deleted', { deletionTimestamp: '2026-11-24T08:00:00Z' }, {}],
  ['managed by another controller', {}, { managedBy: 'example.com/other' }],
] as const) {
  test(`a job that is ${given} wants nothing`, () => {
    const desired = reconcile(observe(jobWith(spec, metadata)))
    assert.deepEqual(desired, { writes: [], announcements: [], deleteJob: false })
  })
}

const STATES: readonly (readonly [string, TrainingStatus, Record<string, string>])[] = [
  ['training', training('Training'), { Ready: 'True Training' }],
  ['finishing', training('Finishing'), { Ready: 'True Training' }],
  ['quorum lost', training('QuorumLost'), { Ready: 'False QuorumLost' }],
  [
    'waiting for clients',
    training('Waiting', { reason: 'NotEnoughClients' }),
    { Ready: 'Unknown NotEnoughClients' },
  ],
  ['complete', training('Complete'), { Ready: 'True Complete', Complete: 'True Complete' }],
  ['failed', training('Failed', { reason: 'BadCheckpoint' }), { Failed: 'True BadCheckpoint' }],
  [
    'failed, too few clients',
    training('Failed', { reason: 'TooFewClients' }),
    { Failed: 'True TooFewClients' },
  ],
  ['failed, unknown reason', training('Failed', { reason: 'X' }), { Failed: 'True CoordinatorFailed' }],
  ["another job's training", training('Complete', { uid: 'u0' }), { Ready: 'Unknown Starting' }],
]
for (const [given, value, expected] of STATES) {
  test(`conditions of a job, ${given}`, () => {
    const found = truths(reconcile(observe(withTraining(jobWith(), value))))
    for (const [type, truth] of Object.entries(expected)) assert.equal(found[type], truth)
  })
}

test('a job without a round within the start deadline fails; a job with a round does not', () => {
  const late = { ...running, now: NOW + 3_600_000 }
  assert.equal(truths(reconcile(late)).Failed, 'True StartDeadlineExceeded')
  const begun = { ...late, job: withTraining(running.job, training('Training')) }
  assert.equal(truths(reconcile(begun)).Failed, 'False NotFailed')
})

test('a job from round 5 of another run has a round within the start deadline once it is in round 6', () => {
  const resumed = (fields: object) => ({
    ...running,
    now: NOW + 3_600_000,
    job: withTraining(
      { ...running.job, spec: { ...SPEC, resumeFrom: { prefix: 's3://bucket/run', round: 5 } } },
      training('Waiting', { reason: 'NotEnoughClients', ...fields }),
    ),
  })
  assert.equal(truths(reconcile(resumed({ round: 5 }))).Failed, 'True StartDeadlineExceeded')
  assert.equal(truths(reconcile(resumed({ round: 6 }))).Failed, 'False NotFailed')
})

test('the active deadline ends a run that trains', () => {
  const job = withTraining(
    { ...running.job, spec: { ...SPEC, activeDeadlineSeconds: 60 } },
    training('Training'),
  )
  assert.equal(reconcile({ ...running, job, now: NOW + 10_000 }).requeueAfterSeconds, 50)
  assert.equal(truths(reconcile({ ...running, job, now: NOW + 60_000 })).Failed, 'True DeadlineExceeded')
})

test('a complete job: its workers are stopped, its state stays, and it is deleted after its time to live', () => {
  const job = withTraining(
    { ...running.job, spec: { ...SPEC, ttlSecondsAfterFinished: 30 } },
    training('Complete'),
  )
  const complete = after({ ...running, job })
  assert.equal(complete.job.status?.completionTime, '2026-11-24T08:00:00Z')
  // Without the coordinator's report, a complete job stays complete.
  const { training: _, ...status } = complete.job.status ?? {}
  const stale = { ...complete, job: { ...complete.job, status }, now: NOW + 10_000 }
  const desired = reconcile({ ...complete, now: NOW + 10_000 })
  assert.deepEqual(writesOf(desired), ['Delete Job/brain-worker-a', 'Delete Job/brain-worker-b'])
  assert.equal(desired.requeueAfterSeconds, 20)
  assert.equal(reconcile(stale).status, undefined)
  assert.equal(reconcile({ ...complete, now: NOW + 30_000 }).deleteJob, true)
})

test("a failed job: the coordinator's Job is stopped, too, because its pod would retry", () => {
  const failed = after({ ...running, job: withTraining(running.job, training('Failed')) })
  const jobs = ['Job/brain-coordinator', 'Job/brain-worker-a', 'Job/brain-worker-b']
  assert.deepEqual(
    writesOf(reconcile(failed)),
    jobs.map((name) => `Delete ${name}`),
  )
})

test('a deadline that passes while the job is suspended does not end it', () => {
  const spec = { ...SPEC, suspend: true, activeDeadlineSeconds: 60 }
  const suspended = after({ ...running, job: { ...running.job, spec } })
  // Also if the operator was down, and finds both at once.
  const unseen = { ...running, job: { ...running.job, spec }, now: NOW + 9e6 }
  assert.equal(truths(reconcile(unseen)).Suspended, 'True Suspended')
  const late = after({ ...suspended, now: NOW + 9e6 })
  const holds = late.job.status?.conditions?.filter(({ status }) => status === 'True')
  assert.deepEqual(
    holds?.map(({ type }) => type),
    ['Suspended'],
  )
})

test('an edit of a job that is over changes only observedGeneration', () => {
  const complete = after({ ...running, job: withTraining(running.job, training('Complete')) })
  const { metadata, spec } = complete.job
  const job = { ...complete.job, metadata: { ...metadata, generation: 7 }, spec: { ...spec, suspend: true } }
  const edited = { ...complete, job }
  const { training: _, ...before } = complete.job.status ?? {}
  const { status, announcements } = reconcile(edited)
  assert.deepEqual(announcements, [])
  assert.deepEqual(status, {
    ...before,
    observedGeneration: 7,
    conditions: before.conditions!.map((condition) => ({ ...condition, observedGeneration: 7 })),
  })
  assert.equal(reconcile(after(edited)).status, undefined)
})

test('every account is created except those that the user names', () => {
  const accounts = (spec: object): string[] =>
    reconcile(observe(jobWith(spec)))
      .writes.map(({ object }) => keyOf(object))
      .filter((key) => key.startsWith('ServiceAccount/'))
      .sort()
  const partitions = [{ name: 'a', serviceAccountName: 'mine' }, { name: 'b' }]
  assert.deepEqual(accounts({ partitions }), [
    'ServiceAccount/brain-coordinator',
    'ServiceAccount/brain-worker-b',
  ])
  assert.deepEqual(accounts({ partitions, coordinator: { serviceAccountName: 'cloud' } }), [
    'ServiceAccount/brain-worker-b',
  ])
})

test("a job fails when the coordinator's Job fails for good, and when its program rejects the job", () => {
  const conditions = [
    { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'too often' },
  ]
  const children = running.children.map((child) =>
    keyOf(child) === 'Job/brain-coordinator' ? { ...child, status: { conditions } } : child,
  )
  assert.equal(truths(reconcile({ ...running, children })).Failed, 'True CoordinatorFailed')
  const pod = workerPod('a', { containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 78 } } }] })
  const labels = { 'fedsam.dev/role': 'coordinator' }
  const pods = [{ ...pod, metadata: { ...pod.metadata, labels } }]
  assert.equal(truths(reconcile({ ...running, pods })).Failed, 'True BadConfiguration')
})

test("with a queue's label Jobs are created suspended, and the operator never resumes them", () => {
  const labels = { 'kueue.x-k8s.io/queue-name': 'gpus' }
  const created = after(observe(jobWith({}, { labels })))
  const jobs = created.children.filter(({ kind }) => kind === 'Job')
  assert.ok(jobs.every(({ spec }) => spec?.suspend === true))
  assert.deepEqual(writesOf(reconcile(created)), [])
  const admitted = created.children.map((child) => ({ ...child, spec: { ...child.spec, suspend: false } }))
  const there = { ...created, children: admitted }
  assert.deepEqual(writesOf(reconcile(there)), [])
  // The user suspends the job: `suspend` is set, and stays set until the queue lifts it.
  const suspended = after({ ...there, job: { ...there.job, spec: { ...SPEC, suspend: true } } })
  const resumed = reconcile({ ...suspended, job: there.job })
  assert.deepEqual(writesOf(resumed), [])
  const suspensions = ({ children }: Observed): unknown[] =>
    children.filter(({ kind }) => kind === 'Job').map(({ spec }) => spec?.suspend)
  assert.deepEqual(suspensions(suspended), [true, true, true])
  // A changed label is restored, and that resumes no Job.
  const labelled = (children: readonly KubernetesObject[]): KubernetesObject[] =>
    children.map((child) => ({
      ...child,
      metadata: { ...child.metadata, labels: { ...child.metadata.labels, 'fedsam.dev/role': 'other' } },
    }))
  const repaired = after({ ...suspended, job: there.job, children: labelled(suspended.children) })
  assert.deepEqual(suspensions(repaired), [true, true, true])
  const lifted = repaired.children.map((child) =>
    child.kind === 'Job' ? { ...child, spec: { ...child.spec, suspend: false } } : child,
  )
  const again = after({ ...repaired, children: labelled(lifted) })
  assert.deepEqual(suspensions(again), [false, false, false])
})

test('the cluster in memory removes a field that its only manager stops applying, as the API server does', () => {
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j', namespace: 'team' } }
  const apply = (children: readonly KubernetesObject[], spec: object): KubernetesObject[] =>
    applied(children, [{ kind: 'Apply', object: { ...job, spec: { ...spec } } }])
  const born = (suspend: boolean): KubernetesObject[] =>
    applied([], [{ kind: 'Create', object: { ...job, spec: { suspend } } }])
  const suspend = ([child]: readonly KubernetesObject[]): unknown => child?.spec?.suspend
  assert.equal(suspend(apply(apply(born(false), { suspend: true }), {})), false)
  assert.equal(suspend(apply(apply(born(true), { suspend: true }), {})), true, 'its creator owns it too')
})

const SPECS = fc.record({
  suspend: fc.boolean(),
  names: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 2 }),
  state: fc.constantFrom(undefined, 'Starting', 'Waiting', 'Training', 'QuorumLost', 'Complete', 'Failed'),
  reason: fc.option(fc.constantFrom('NotEnoughClients', 'BadData', 'nonsense'), { nil: undefined }),
  broken: fc.array(fc.nat(9), { maxLength: 4 }),
  ttl: fc.option(fc.nat(9), { nil: null }),
})

test('three passes from any state reach one in which reconcile wants nothing', () => {
  fc.assert(
    fc.property(SPECS, ({ suspend, names, state, reason, broken, ttl }) => {
      const partitions = names.map((name) => ({ name }))
      const value = training(state as TrainingStatus['state'], reason ? { reason } : {})
      const bare = jobWith({ suspend, partitions, ttlSecondsAfterFinished: ttl })
      const job = state ? withTraining(bare, value) : bare
      const children = running.children.filter((_, i) => !broken.includes(i))
      const end = after(after(after(observe(job, { children }))))
      const { writes, status, announcements } = reconcile(end)
      assert.deepEqual(
        { writes, status, announcements },
        { writes: [], status: undefined, announcements: [] },
      )
    }),
    { numRuns: 300 },
  )
})

test('reconcile never throws for pods and events of any shape', () => {
  const thing = fc.jsonValue()
  fc.assert(
    fc.property(thing, thing, thing, (status, conditions, containers) => {
      const odd = { ...workerPod('a', {}), status: { conditions, containerStatuses: containers } as never }
      reconcile({ ...running, pods: [odd, { ...odd, status: status as never }] })
    }),
    { numRuns: 300 },
  )
})
