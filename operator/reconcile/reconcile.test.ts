// The truth table of reconciling: given what is observed, these writes, conditions and times. And its two properties: applied to
// its own outcome it wants nothing more, and it never throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type {
  FederatedJobSpec,
  FederatedJobStatus,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import type { ChildWrite, Desired, KubernetesObject, Observed, StoredJob } from './objects.ts'
import { reconcile } from './reconcile.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const SPEC: FederatedJobSpec = { partitions: [{ name: 'a' }, { name: 'b' }] }

function jobWith(spec: Partial<FederatedJobSpec> = {}, metadata: object = {}): StoredJob {
  return {
    metadata: { name: 'brain', namespace: 'team', uid: 'u1', generation: 1, ...metadata },
    spec: { ...SPEC, ...spec },
  }
}

/** The pod of a partition's Job among the writes, loosely typed: tests look where they please. */
// biome-ignore lint/suspicious/noExplicitAny: a rendered template is plain JSON
function templateOf({ writes }: Desired, name: string): Record<string, any> {
  const found = writes.find(({ object }) => keyOf(object) === name)?.object.spec?.template
  assert.ok(found)
  return found as Record<string, unknown>
}

function observe(job: StoredJob, rest: Partial<Observed> = {}): Observed {
  const images = { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' }
  const settings = { images, pullPolicy: 'IfNotPresent' as const, pullSecrets: [] }
  return { job, children: [], pods: [], events: [], now: NOW, settings, ...rest }
}

const keyOf = ({ kind, metadata }: KubernetesObject): string => `${kind}/${metadata.name}`
const writesOf = ({ writes }: Desired): string[] =>
  writes.map(({ kind, object }) => `${kind} ${keyOf(object)}`)

/** What the cluster holds after the writes. */
function applied(children: readonly KubernetesObject[], writes: readonly ChildWrite[]): KubernetesObject[] {
  const next = new Map(children.map((child) => [keyOf(child), child]))
  for (const { kind, object } of writes) {
    const before = next.get(keyOf(object))
    if (kind === 'Delete') next.delete(keyOf(object))
    else if (kind === 'Create' || !before) next.set(keyOf(object), structuredClone(object))
    else {
      const metadata = { ...before.metadata, ...object.metadata }
      next.set(keyOf(object), { ...before, ...object, metadata, spec: { ...before.spec, ...object.spec } })
    }
  }
  return [...next.values()]
}

/** One pass carried out. */
function after(observed: Observed): Observed {
  const { writes, status } = reconcile(observed)
  const training = observed.job.status?.training
  const stored = { ...status, ...(training ? { training } : {}) } as FederatedJobStatus
  const job = status ? { ...observed.job, status: stored } : observed.job
  return { ...observed, job, children: applied(observed.children, writes) }
}

function training(state: TrainingStatus['state'], more: Partial<TrainingStatus> = {}): TrainingStatus {
  return { uid: 'u1', epoch: 1, round: 1, attempt: 1, ...(state ? { state } : {}), ...more }
}

function withTraining(job: StoredJob, value: TrainingStatus): StoredJob {
  return { ...job, status: { ...job.status, training: value } }
}

const truths = ({ status }: Desired): Record<string, string> =>
  Object.fromEntries((status?.conditions ?? []).map((c) => [c.type, `${c.status} ${c.reason}`]))

const running = after(observe(jobWith()))

function workerPod(partition: string, status: object): KubernetesObject {
  const labels = { 'fedsam.dev/role': 'worker', 'fedsam.dev/partition': partition, 'fedsam.dev/job': 'brain' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `brain-worker-${partition}-x`, namespace: 'team', labels },
    status: { ...status },
  }
}

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

test('every child is owned by this very job', () => {
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
      ['FailJob', { ...exits, values: [65, 78] }],
    ],
  )
  const coordinator = running.children.find((child) => keyOf(child) === 'Job/brain-coordinator')
  assert.equal(coordinator?.spec?.podFailurePolicy, undefined)
  assert.equal(coordinator?.spec?.podReplacementPolicy, 'TerminatingOrFailed')
  assert.equal(job?.spec?.podReplacementPolicy, 'Failed')
})

test('device and data are with the trainer alone, the token and the bus with the network half alone', () => {
  const source = { persistentVolumeClaim: { claimName: 'scans' } }
  const accelerator = { resource: 'nvidia.com/gpu', count: 2 }
  const spec = { workers: { accelerator }, partitions: [{ name: 'a', source }, { name: 'b' }] }
  const pod = templateOf(reconcile(observe(jobWith(spec))), 'Job/brain-worker-a').spec
  const [trainer, network] = [pod.containers[0], pod.initContainers[0]]
  const mounts = (container: { volumeMounts: { name: string }[] }) =>
    container.volumeMounts.map(({ name }) => name)
  assert.deepEqual(trainer.resources.limits, { 'nvidia.com/gpu': '2' })
  assert.equal(trainer.image, 'g:1')
  assert.deepEqual(mounts(trainer), ['seam', 'cache', 'tmp', 'data'])
  assert.deepEqual(mounts(network), ['seam', 'cache', 'tmp', 'token'])
  assert.equal(network.restartPolicy, 'Always')
  assert.equal(network.resources.limits, undefined)
  const claim = { claimName: 'scans', readOnly: true }
  assert.deepEqual(
    pod.volumes.find(({ name }: { name: string }) => name === 'data').persistentVolumeClaim,
    claim,
  )
  assert.ok(!JSON.stringify(trainer.env).includes('NATS'))
})

test("a user's template is merged last, but not over what is not the user's", () => {
  const template = {
    metadata: { labels: { team: 'x', 'fedsam.dev/role': 'coordinator' } },
    spec: {
      restartPolicy: 'OnFailure',
      automountServiceAccountToken: true,
      priorityClassName: 'low',
      containers: [{ name: 'trainer', env: [{ name: 'MINE', value: '1' }] }],
      volumes: [{ name: 'token', emptyDir: {} }],
    },
  }
  const desired = reconcile(observe(jobWith({ workers: { template } })))
  const { metadata, spec } = templateOf(desired, 'Job/brain-worker-a')
  assert.equal(metadata.labels.team, 'x')
  assert.equal(metadata.labels['fedsam.dev/role'], 'worker')
  assert.equal(spec.restartPolicy, 'Never')
  assert.equal(spec.automountServiceAccountToken, false)
  assert.equal(spec.priorityClassName, 'low')
  assert.equal(spec.containers.length, 1)
  const names = spec.containers[0].env.map(({ name }: { name: string }) => name)
  assert.ok(names.includes('FEDSAM_DATASET') && names.includes('MINE'))
  assert.ok(spec.volumes.find(({ name }: { name: string }) => name === 'token').projected)
})

test('suspended: the Jobs are suspended, nothing else; resumed: they go on, and the start deadline begins anew', () => {
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

test('a partition more is created, a partition less is pruned, others are left alone', () => {
  const partitions = [{ name: 'a' }, { name: 'c' }]
  const desired = reconcile({ ...running, job: { ...running.job, spec: { ...SPEC, partitions } } })
  assert.deepEqual(writesOf(desired), [
    'Create ServiceAccount/brain-worker-c',
    'Create Job/brain-worker-c',
    'Delete ServiceAccount/brain-worker-b',
    'Delete Job/brain-worker-b',
  ])
})

test('a partition that joins from outside has no pod', () => {
  const partitions = [{ name: 'a' }, { name: 'b', external: {} }]
  assert.ok(!JSON.stringify(writesOf(reconcile(observe(jobWith({ partitions }))))).includes('worker-b'))
})

test("somebody else's object of a child's name is a condition, and stays", () => {
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

test("an earlier job's children of the same name are foreign too", () => {
  const job = { ...running.job, metadata: { ...running.job.metadata, uid: 'u2' } }
  const desired = reconcile({ ...running, job })
  assert.deepEqual(writesOf(desired), [])
  assert.equal(truths(desired).Reconciling, 'True ChildConflict')
})

for (const [given, metadata, spec] of [
  ['deleted', { deletionTimestamp: '2026-11-24T08:00:00Z' }, {}],
  ['managed by somebody else', {}, { managedBy: 'example.com/other' }],
] as const) {
  test(`${given}: nothing at all`, () => {
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
  ['failed, unknown reason', training('Failed', { reason: 'X' }), { Failed: 'True CoordinatorFailed' }],
  ["another job's training", training('Complete', { uid: 'u0' }), { Ready: 'Unknown Starting' }],
]
for (const [given, value, expected] of STATES) {
  test(`${given}: its conditions`, () => {
    const found = truths(reconcile(observe(withTraining(jobWith(), value))))
    for (const [type, truth] of Object.entries(expected)) assert.equal(found[type], truth)
  })
}

test('no round within the start deadline: failed; a round that began: not', () => {
  const late = { ...running, now: NOW + 3_600_000 }
  assert.equal(truths(reconcile(late)).Failed, 'True StartDeadlineExceeded')
  const begun = { ...late, job: withTraining(running.job, training('Training')) }
  assert.equal(truths(reconcile(begun)).Failed, 'False NotFailed')
})

test('the active deadline ends a run that trains', () => {
  const job = withTraining(
    { ...running.job, spec: { ...SPEC, activeDeadlineSeconds: 60 } },
    training('Training'),
  )
  assert.equal(reconcile({ ...running, job, now: NOW + 10_000 }).requeueAfterSeconds, 50)
  assert.equal(truths(reconcile({ ...running, job, now: NOW + 60_000 })).Failed, 'True DeadlineExceeded')
})

test('over: workers are stopped, the state stays, the time to live ends the job', () => {
  const job = withTraining(
    { ...running.job, spec: { ...SPEC, ttlSecondsAfterFinished: 30 } },
    training('Complete'),
  )
  const complete = after({ ...running, job })
  assert.equal(complete.job.status?.completionTime, '2026-11-24T08:00:00Z')
  // The coordinator is gone, its status too: what was complete stays complete.
  const { training: _, ...status } = complete.job.status ?? {}
  const stale = { ...complete, job: { ...complete.job, status }, now: NOW + 10_000 }
  const desired = reconcile({ ...complete, now: NOW + 10_000 })
  assert.deepEqual(writesOf(desired), ['Delete Job/brain-worker-a', 'Delete Job/brain-worker-b'])
  assert.equal(desired.requeueAfterSeconds, 20)
  assert.equal(reconcile(stale).status, undefined)
  assert.equal(reconcile({ ...complete, now: NOW + 30_000 }).deleteJob, true)
})

test("the coordinator's Job gave up, or its program found the job wrong: failed", () => {
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

const scheduled = (message: string) => ({
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
})
const container = (state: object, more: object = {}) => ({
  containerStatuses: [{ name: 'trainer', image: 'w:1', state, ...more }],
})
const PROBLEMS: readonly (readonly [string, object, RegExp])[] = [
  ['no device', scheduled('0/1 nodes: Insufficient nvidia.com/gpu.'), /b: pending, .*Insufficient nvidia/],
  ['no claim', scheduled('persistentvolumeclaim "scans" not found'), /b: pending, .*"scans" not found/],
  ['no image', container({ waiting: { reason: 'ImagePullBackOff', message: 'no' } }), /b: image w:1 cannot/],
  [
    'no secret',
    container({ waiting: { reason: 'CreateContainerConfigError', message: 'secret "s" not found' } }),
    /"s" not found/,
  ],
  ['out of memory', container({ terminated: { reason: 'OOMKilled', exitCode: 137 } }), /b: .*out of memory/],
  ['failure', container({ terminated: { exitCode: 75 } }), /b: .*exit code 75/],
]
for (const [given, status, expected] of PROBLEMS) {
  test(`a pod's problem reaches QuorumAvailable with the partition's name: ${given}`, () => {
    const { status: written } = reconcile({ ...running, pods: [workerPod('b', status)] })
    const quorum = written?.conditions.find(({ type }) => type === 'QuorumAvailable')
    assert.match(quorum?.message ?? '', expected)
  })
}

test('what stands only in an event reaches it too', () => {
  const events = [{ pod: 'brain-worker-b-x', reason: 'FailedMount', message: 'secret "creds" not found' }]
  const { status } = reconcile({ ...running, pods: [workerPod('b', {})], events })
  assert.match(JSON.stringify(status?.conditions), /b: secret \\"creds\\" not found/)
})

test("with a queue's label Jobs are born suspended, and never resumed by us", () => {
  const labels = { 'kueue.x-k8s.io/queue-name': 'gpus' }
  const created = after(observe(jobWith({}, { labels })))
  const jobs = created.children.filter(({ kind }) => kind === 'Job')
  assert.ok(jobs.every(({ spec }) => spec?.suspend === true))
  const admitted = created.children.map((child) => ({ ...child, spec: { ...child.spec, suspend: false } }))
  assert.deepEqual(writesOf(reconcile({ ...created, children: admitted })), [])
})

const SPECS = fc.record({
  suspend: fc.boolean(),
  names: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 2 }),
  state: fc.constantFrom(undefined, 'Starting', 'Waiting', 'Training', 'QuorumLost', 'Complete', 'Failed'),
  reason: fc.option(fc.constantFrom('NotEnoughClients', 'BadData', 'nonsense'), { nil: undefined }),
  broken: fc.array(fc.nat(9), { maxLength: 4 }),
  ttl: fc.option(fc.nat(9), { nil: null }),
})

test('from any state it comes to rest within three passes, and applied to that wants nothing', () => {
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

test('it never throws, whatever pods and events look like', () => {
  const thing = fc.jsonValue()
  fc.assert(
    fc.property(thing, thing, thing, (status, conditions, containers) => {
      const odd = { ...workerPod('a', {}), status: { conditions, containerStatuses: containers } as never }
      reconcile({ ...running, pods: [odd, { ...odd, status: status as never }] })
    }),
    { numRuns: 300 },
  )
})
