// The texts that people read about a job: the columns in each state, missing clients with reasons, and problems of the
// coordinator's pod.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import {
  jobWith,
  NOW,
  observe,
  running,
  training,
  truths,
  withTraining,
  workerPod,
} from '#test/given/observed.ts'
import type { KubernetesObject } from '../objects/shapes.ts'
import type { Observed } from './contract.ts'
import { reconcile } from './reconcile.ts'

const scheduled = (message: string) => ({
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
})
const container = (state: object, more: object = {}) => ({
  containerStatuses: [{ name: 'trainer', image: 'w:1', state, ...more }],
})
const sidecar = (name: string, lastState: object, restartCount: number) => ({
  initContainerStatuses: [{ name, state: { running: {} }, lastState, restartCount }],
})
const words = JSON.stringify({ code: 'BadData', message: 'no masks in /data', remedy: 'add them' })
const PROBLEMS: readonly (readonly [string, object, RegExp])[] = [
  ['no device', scheduled('0/1 nodes: Insufficient nvidia.com/gpu.'), /^b: pending, .*Insufficient nvidia/],
  ['no claim', scheduled('persistentvolumeclaim "scans" not found'), /^b: pending, .*"scans" not found/],
  ['no image', container({ waiting: { reason: 'ImagePullBackOff', message: 'no' } }), /^b: image w:1 cannot/],
  [
    'no secret',
    container({ waiting: { reason: 'CreateContainerConfigError', message: 'secret "s" not found' } }),
    /"s" not found/,
  ],
  [
    'out of memory',
    container({ terminated: { reason: 'OOMKilled', exitCode: 137 } }),
    /^b: container trainer ran out of memory; raise its memory limit of 4Gi/,
  ],
  [
    "our program's own words",
    container({ terminated: { exitCode: 65, message: words } }),
    /^b: .*exit code 65 \(the partition's data cannot be used.*: no masks in \/data; add them/,
  ],
  [
    "the end of another program's log",
    container({ terminated: { exitCode: 1, message: 'Traceback\n  File\nValueError: 3' } }),
    /exit code 1: Traceback {3}File ValueError: 3/,
  ],
  [
    'no program',
    container({ terminated: { exitCode: 127 } }),
    /exit code 127 \(the program is not in the image\)/,
  ],
  [
    'a sidecar that starts again and again',
    sidecar('data', { terminated: { exitCode: 75, message: '{"message":"403 from s3"}' } }, 4),
    /^b: container data ended with exit code 75 .*: 403 from s3 \(restarted 4 times\)/,
  ],
  [
    'evicted',
    { phase: 'Failed', reason: 'Evicted', message: 'low on disk' },
    /^b: evicted from node n1: low on disk/,
  ],
]

function quorumOf(observed: Observed): string {
  const { status } = reconcile(observed)
  return status?.conditions.find(({ type }) => type === 'QuorumAvailable')?.message ?? ''
}

const onNode = (pod: KubernetesObject): KubernetesObject => ({ ...pod, spec: { nodeName: 'n1' } })
const limited = {
  ...running.job,
  spec: { ...running.job.spec, workers: { resources: { limits: { memory: '4Gi' } } } },
}

for (const [given, status, expected] of PROBLEMS) {
  test(`a pod's problem reaches QuorumAvailable with the partition's name: ${given}`, () => {
    assert.match(quorumOf({ ...running, job: limited, pods: [onNode(workerPod('b', status))] }), expected)
  })
}

test('a problem that only an event reports reaches QuorumAvailable, too', () => {
  const about = { kind: 'Pod', name: 'brain-worker-b-x', uid: 'p1', at: NOW }
  const mount = { ...about, reason: 'FailedMount', message: 'secret "creds" not found' }
  const observed = { ...running, pods: [workerPod('b', {})], warnings: [mount] }
  assert.match(quorumOf(observed), /^b: secret "creds" not found/)
  const claim = { ...about, reason: 'FailedBinding', message: 'exceeded quota: claims' }
  assert.match(quorumOf({ ...observed, warnings: [claim] }), /^b: exceeded quota: claims/)
  const pods = [workerPod('b', scheduled('waiting for ephemeral volume controller'))]
  assert.match(
    quorumOf({ ...observed, pods, warnings: [claim] }),
    /^b: pending, waiting for ephemeral volume controller; exceeded quota: claims/,
  )
})

test('a node that does not end its pod is named with the taint, once the pod counts as stuck', () => {
  const message = 'Taint manager: deleting due to NoExecute taint'
  const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message }]
  const pod = onNode(workerPod('b', { phase: 'Running', conditions }))
  const deletionTimestamp = '2026-11-24T08:00:00Z'
  const observed = { ...running, pods: [{ ...pod, metadata: { ...pod.metadata, deletionTimestamp } }] }
  assert.doesNotMatch(quorumOf(observed), /n1/)
  assert.equal(reconcile(observed).requeueAfterSeconds, 60)
  assert.match(
    quorumOf({ ...observed, now: NOW + 60_000 }),
    /^b: node n1 does not end the pod \(DeletionByTaintManager: Taint manager: .*NoExecute taint\)/,
  )
})

test('the newest pod has the reason, with the number of failures; a ready pod has none', () => {
  const made = (name: string, creationTimestamp: string, status: object): KubernetesObject => {
    const pod = workerPod('b', status)
    return { ...pod, metadata: { ...pod.metadata, name, creationTimestamp } }
  }
  const failed = (code: number) => ({ phase: 'Failed', ...container({ terminated: { exitCode: code } }) })
  const pods = [made('z', '2026-11-24T07:00:00Z', failed(3)), made('y', '2026-11-24T07:10:00Z', failed(4))]
  assert.match(quorumOf({ ...running, pods }), /^b: .*exit code 4 \(failed 2 times\)/)
  const pending = made('x', '2026-11-24T07:20:00Z', { phase: 'Pending' })
  assert.match(quorumOf({ ...running, pods: [...pods, pending] }), /exit code 4 \(failed 2 times\)/)
  const ready = made('w', '2026-11-24T07:30:00Z', { conditions: [{ type: 'Ready', status: 'True' }] })
  assert.doesNotMatch(quorumOf({ ...running, pods: [...pods, ready] }), /exit code/)
})

test('a worker that the coordinator rejects: the reason of the coordinator, and how its pod ended', () => {
  const absent = [
    { name: 'b', outcome: 'Refused', reason: 'BadToken', message: 'the token has expired' },
  ] as const
  const job = withTraining(
    running.job,
    training('Waiting', { clients: { available: 1, absent: [...absent] } }),
  )
  const pods = [workerPod('b', { phase: 'Failed', ...container({ terminated: { exitCode: 77 } }) })]
  assert.match(
    quorumOf({ ...running, job, pods }),
    /^b: Refused, the token has expired; container trainer ended with exit code 77 \(the coordinator does not/,
  )
})

const SITE = { name: 'b', external: { publicKey: 'a'.repeat(64) } }
const withSite = (rest: object = {}, second: object = SITE) => ({
  ...running.job,
  spec: { ...running.job.spec, partitions: [{ name: 'a' }, second as typeof SITE] },
  ...rest,
})
const withoutWorker = running.children.filter(({ metadata }) => !metadata.name.includes('worker-b'))

test('a site that is not connected is named with the address, and no pod is', () => {
  const messaging = { nats: { publicUrl: 'wss://fed.example.org/bus' } }
  const job = withSite()
  const quorum = quorumOf({
    ...running,
    job: { ...job, spec: { ...job.spec, messaging } },
    children: withoutWorker,
  })
  assert.match(
    quorum,
    /^b: the site has never connected to wss:\/\/fed\.example\.org\/bus; have its agent started there\. /,
  )
  assert.doesNotMatch(quorum, /pod/)
})

test('a connected site is not missing unless the coordinator says why; one that fell silent is, with the time', () => {
  const reported = (
    connected: boolean,
    absent: readonly object[] = [],
    publicKey = SITE.external.publicKey,
  ) => {
    const sites = [{ name: 'b', publicKey, connected, lastHeardTime: '2026-11-24T07:00:00Z' }]
    const clients = { available: 1, absent: absent as never, sites }
    return quorumOf({
      ...running,
      children: withoutWorker,
      job: withTraining(withSite(), training('Waiting', { clients })),
    })
  }
  assert.doesNotMatch(reported(true), /b: /)
  const client = { name: 'b', outcome: 'Failed', reason: 'BadData', message: 'no images' }
  assert.match(reported(true, [client]), /^b: Failed, no images\. /)
  const unheard = { name: 'b', outcome: 'Unreachable', reason: 'NotHeard' }
  assert.match(
    reported(false, [unheard]),
    /^b: the site was last heard at 2026-11-24T07:00:00Z; see whether its agent runs and reaches the bus\. /,
  )
  assert.match(reported(false, [client]), /^b: Failed, no images; the site was last heard at /)
  assert.match(
    reported(true, [], 'f'.repeat(64)),
    /^b: the site has never connected/,
    'that was another site',
  )
})

test('an external partition that was stored without a key is named, with what to do', () => {
  const job = withSite({}, { name: 'b', external: {} })
  assert.match(
    quorumOf({ ...running, job, children: withoutWorker }),
    /^b: it names no key of its own; correct external\.publicKey\. /,
  )
})

test("a failed Job of another owner, under a worker's name, does not explain why the client is missing", () => {
  const conditions = [{ type: 'Failed', status: 'True', reason: 'Other', message: 'of another owner' }]
  const withJob = (ownerReferences: object): Observed => ({
    ...running,
    children: running.children.map((child) =>
      child.kind === 'Job' && child.metadata.name === 'brain-worker-b'
        ? ({ ...child, metadata: { ...child.metadata, ...ownerReferences }, status: { conditions } } as never)
        : child,
    ),
  })
  assert.match(quorumOf(withJob({})), /^b: failed, Other: of another owner/)
  assert.equal(quorumOf(withJob({ ownerReferences: [] })), '0 of 2 needed clients are available.')
})

test('stopped and replaced pods do not count as failures', () => {
  for (const exitCode of [0, 79, 143])
    assert.doesNotMatch(
      quorumOf({ ...running, pods: [workerPod('b', container({ terminated: { exitCode } }))] }),
      /b:/,
    )
})

function coordinatorPod(status: object): KubernetesObject {
  const pod = workerPod('a', status)
  const labels = { 'fedsam.dev/role': 'coordinator', 'fedsam.dev/job': 'brain' }
  return { ...pod, metadata: { ...pod.metadata, name: 'brain-coordinator-x', labels } }
}

test("a problem of the coordinator's pod makes Ready unknown and is its message", () => {
  const job = withTraining(running.job, training('Training'))
  const pods = [coordinatorPod(scheduled('0/1 nodes: Insufficient memory.'))]
  const desired = reconcile({ ...running, job, pods })
  assert.equal(truths(desired).Ready, 'Unknown CoordinatorUnavailable')
  assert.match(desired.status?.summary?.message ?? '', /The coordinator: pending, .*Insufficient memory/)
  const starting = [coordinatorPod({ phase: 'Pending' })]
  assert.equal(truths(reconcile({ ...running, job, pods: starting })).Ready, 'True Training')
})

test('a job that the coordinator rejects fails with its message', () => {
  const message = JSON.stringify({
    code: 'InvalidJob',
    message: 'the job names no program',
    remedy: 'name one',
  })
  const pods = [coordinatorPod(container({ terminated: { exitCode: 78, message } }))]
  const desired = reconcile({ ...running, pods })
  assert.equal(truths(desired).Failed, 'True BadConfiguration')
  assert.match(desired.status?.summary?.message ?? '', /the job names no program; name one/)
})

test('the rejection of a child by the API server is the message of Ready', () => {
  const refusals = ['Job brain-worker-a: tolerations[0].key is invalid.']
  const desired = reconcile({ ...running, refusals })
  assert.equal(truths(desired).Ready, 'Unknown ChildRefused')
  assert.equal(desired.status?.summary?.message, refusals[0])
  const job = withTraining(running.job, training('Training'))
  assert.equal(truths(reconcile({ ...running, job, refusals })).Ready, 'True Training')
})

test('without storage or messaging no pod starts, and the message names the missing section', () => {
  for (const [section, reason] of [
    ['storage', 'StorageMissing'],
    ['messaging', 'MessagingMissing'],
  ] as const) {
    const { [section]: _, ...spec } = running.job.spec
    const desired = reconcile(observe({ ...jobWith(), spec }))
    assert.equal(truths(desired).Ready, `Unknown ${reason}`)
    assert.match(desired.status?.summary?.message ?? '', new RegExp(`^spec\\.${section} is missing`))
    const jobs = desired.writes.filter(({ object }) => object.kind === 'Job')
    assert.ok(jobs.length === 3 && jobs.every(({ object }) => object.spec?.suspend === true))
  }
})

const BEST: Partial<FederatedJobSpec> = { rounds: 10, evaluation: { bestBy: { metric: 'dice' } } }
const SEEN: Partial<TrainingStatus> = {
  round: 7,
  metrics: { dice: 0.9118, loss: 0.21349 },
  clients: { available: 2 },
  message: '',
}
const OUTPUT = { output: { uri: 's3://fedsam/team/brain/u1/output' } }
/** The columns state, round, clients, metric, loss, message and output. */
const COLUMNS: readonly (readonly [string, TrainingStatus | undefined, Partial<FederatedJobSpec>, string])[] =
  [
    ['starting', undefined, {}, 'Waiting | 0/10 | 0/2 | - | - | 0 of 2 needed clients are available. | -'],
    [
      'waiting for clients',
      training('Waiting', { round: 0, reason: 'NotEnoughClients', message: 'b is missing.' }),
      {},
      'Waiting | 0/10 | 0/2 | - | - | b is missing. | -',
    ],
    [
      'training',
      training('Training', SEEN),
      {},
      'Training | 7/10 | 2/2 | dice 0.912 | 0.213 | Rounds are running. | -',
    ],
    [
      'evaluating at the end',
      training('Finishing', { ...SEEN, round: 11 }),
      {},
      'Training | 10/10 | 2/2 | dice 0.912 | 0.213 | Rounds are running. | -',
    ],
    [
      'below its quorum',
      training('QuorumLost', { ...SEEN, clients: { available: 1 }, message: 'b was late.' }),
      {},
      'QuorumLost | 7/10 | 1/2 | dice 0.912 | 0.213 | b was late. | -',
    ],
    [
      'suspended',
      training('Training', SEEN),
      { suspend: true },
      'Suspended | 7/10 | 2/2 | dice 0.912 | 0.213 | The job is suspended; set spec.suspend to false to resume it. | -',
    ],
    [
      'complete',
      training('Complete', { ...SEEN, round: 10, ...OUTPUT }),
      {},
      'Complete | 10/10 | 2/2 | dice 0.912 | 0.213 | All rounds are done; the output is written. | s3://fedsam/team/brain/u1/output',
    ],
    [
      'failed',
      training('Failed', { ...SEEN, reason: 'TooManyFailedRounds', message: 'Three attempts failed.' }),
      {},
      'Failed | 7/10 | 2/2 | dice 0.912 | 0.213 | Three attempts failed. | -',
    ],
  ]
for (const [given, value, more, expected] of COLUMNS) {
  test(`columns of a job that is ${given}`, () => {
    const bare = jobWith({ ...BEST, ...more })
    const job = value ? withTraining(bare, value) : bare
    const { summary = {} } = reconcile({ ...observe(job), children: running.children }).status ?? {}
    const { state, round, clients, metric, loss, message, output } = summary
    const cells = [state, round, clients, metric, loss, message, output]
    assert.equal(cells.map((cell) => cell ?? '-').join(' | '), expected)
  })
}

test('outliers have a condition with their figures, and one event when they appear', () => {
  const outliers = [{ name: 'b', measure: 'Norm', round: 4, value: 90, median: 2 }] as const
  const job = withTraining(running.job, training('Training', { clients: { outliers } }))
  const { status, announcements } = reconcile({ ...running, job })
  const condition = status?.conditions.find(({ type }) => type === 'Outliers')
  assert.match(condition!.message, /^b: the norm of its update is 90, the median of the round is 2\./)
  assert.deepEqual(
    announcements.filter(({ reason }) => reason === 'FarFromOthers').map(({ type }) => type),
    ['Warning'],
  )
  const stored = { ...job, status: { ...job.status, conditions: status!.conditions } }
  assert.deepEqual(reconcile({ ...running, job: stored }).announcements, [])
})

test('one event for each change of the state or its reason, none for a change of the message', () => {
  const events = (observed: Observed): string[] =>
    reconcile(observed).announcements.map(({ type, reason }) => `${type} ${reason}`)
  assert.deepEqual(events(observe(jobWith())), ['Normal Starting'])
  const begun = { ...running, job: withTraining(running.job, training('Training')) }
  assert.deepEqual(events(begun), ['Normal Training'])
  assert.deepEqual(events({ ...running, pods: [workerPod('b', scheduled('no room'))] }), [])
  const lost = { ...running, job: withTraining(running.job, training('QuorumLost')) }
  assert.deepEqual(events(lost), ['Warning QuorumLost'])
  const failed = { ...running, job: withTraining(running.job, training('Failed')) }
  assert.deepEqual(events(failed), ['Warning CoordinatorFailed'])
  const suspended = { ...running, job: { ...running.job, spec: { ...running.job.spec, suspend: true } } }
  assert.deepEqual(events(suspended), ['Normal Suspended'])
})
