// Pods and Jobs that a real API server refuses, with a real Job controller: quotas, LimitRanges, Pod Security, admission webhooks and
// policies, accounts and priority classes that do not exist. Within a minute the status says why, for the coordinator and for a
// worker; `status` and `doctor` say it too. It stays after the events have expired, and clears with the cure.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FederatedJobStatus } from '#protocol/generated/federatedjob.ts'
import { ROOT, startFedsam } from '../cli/fedsam.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { withOperatorProcess } from './operator-process.ts'

const PLACES = {
  trainer: { type: 'Command', command: { image: 'x', command: ['sh'] } },
  storage: { s3: { endpoint: 'https://s3.test:9000', region: 'us-east-1' } },
  messaging: { nats: { url: 'tls://nats.test:4222' } },
}
const PARTITIONS = [{ name: 'a' }, { name: 'b' }]
/** A pod template for both roles. */
const both = (spec: object) => ({ workers: { template: { spec } }, coordinator: { template: { spec } } })

interface Refusal {
  /** What is in the cluster before the job is. */
  readonly objects: readonly object[]
  readonly spec?: object
  /** In the reason of every pod. */
  readonly says: RegExp
  /** kubectl's arguments that end the fault; `{namespace}` is that of the case. */
  readonly cure: readonly string[]
}

const object = (kind: string, apiVersion: string, fields: object): object => ({
  kind,
  apiVersion,
  metadata: { name: 'team', ...('metadata' in fields ? (fields.metadata as object) : {}) },
  ...Object.fromEntries(Object.entries(fields).filter(([name]) => name !== 'metadata')),
})
const quota = (hard: object): object => object('ResourceQuota', 'v1', { spec: { hard } })
const inNamespaceOnly = (namespace: string) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
})
const PODS = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }

/** A webhook that nobody answers. */
const webhookOn = (rule: object, namespace: string, name: string): object =>
  object('ValidatingWebhookConfiguration', 'admissionregistration.k8s.io/v1', {
    metadata: { name },
    webhooks: [
      {
        name: `${name}.fedsam.test`,
        clientConfig: { url: 'https://127.0.0.1:1/' },
        rules: [rule],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        ...inNamespaceOnly(namespace),
      },
    ],
  })

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'quota-of-limits': {
    objects: [quota({ 'limits.cpu': '1', 'limits.memory': '1Gi' })],
    says: /failed quota: team: must specify limits\.cpu/,
    cure: ['delete', 'quota', 'team'],
  },
  'quota-used-up': {
    objects: [quota({ pods: '0' })],
    says: /exceeded quota: team, requested: pods=1, used: pods=0, limited: pods=0/,
    cure: ['patch', 'quota', 'team', '--type=merge', '-p', '{"spec":{"hard":{"pods":"9"}}}'],
  },
  'limit-range': {
    objects: [
      object('LimitRange', 'v1', { spec: { limits: [{ type: 'Container', min: { memory: '64Gi' } }] } }),
    ],
    says: /minimum memory usage per Container is 64Gi/,
    cure: ['delete', 'limitrange', 'team'],
  },
  'pod-security': {
    objects: [],
    spec: both({ hostNetwork: true }),
    says: /violates PodSecurity "restricted:latest": host namespaces \(hostNetwork=true\)/,
    cure: ['label', 'namespace', '{namespace}', 'pod-security.kubernetes.io/enforce-'],
  },
  webhook: {
    objects: [webhookOn(PODS, 'webhook', 'team')],
    says: /failed calling webhook "team\.fedsam\.test"/,
    cure: ['delete', 'validatingwebhookconfiguration', 'team'],
  },
  policy: {
    objects: [
      object('ValidatingAdmissionPolicy', 'admissionregistration.k8s.io/v1', {
        spec: {
          matchConstraints: { resourceRules: [PODS] },
          validations: [{ expression: 'false', message: 'this team runs no pods' }],
        },
      }),
      object('ValidatingAdmissionPolicyBinding', 'admissionregistration.k8s.io/v1', {
        spec: { policyName: 'team', validationActions: ['Deny'], matchResources: inNamespaceOnly('policy') },
      }),
    ],
    says: /this team runs no pods/,
    cure: ['delete', 'validatingadmissionpolicybinding', 'team'],
  },
  account: {
    objects: [],
    spec: {
      partitions: PARTITIONS.map((partition) => ({ ...partition, serviceAccountName: 'absent' })),
      coordinator: { serviceAccountName: 'absent' },
    },
    says: /serviceaccount "absent" not found/,
    cure: ['create', 'serviceaccount', 'absent'],
  },
  priority: {
    objects: [],
    spec: both({ priorityClassName: 'absent' }),
    says: /no PriorityClass with name absent was found/,
    cure: ['create', 'priorityclass', 'absent', '--value=1'],
  },
}

/** Jobs that are refused themselves: the operator learns it at once. */
const REFUSED_JOBS: Readonly<Record<string, Refusal>> = {
  'quota-of-jobs': {
    objects: [quota({ 'count/jobs.batch': '0' })],
    says: /The API server rejects Job brain-coordinator: .*exceeded quota: team/,
    cure: ['delete', 'quota', 'team'],
  },
  // The API server answers 500, and says it of this object alone.
  'webhook-on-jobs': {
    objects: [webhookOn({ ...PODS, apiGroups: ['batch'], resources: ['jobs'] }, 'webhook-on-jobs', 'jobs')],
    says: /rejects Job brain-coordinator: .*failed calling webhook "jobs\.fedsam\.test".* rejects Job brain-worker-a: /,
    cure: ['delete', 'validatingwebhookconfiguration', 'jobs'],
  },
  template: {
    objects: [],
    spec: { workers: { template: { spec: { tolerations: [{ operator: 'Sometimes' }] } } } },
    says: /The API server rejects Job brain-worker-a: .*tolerations\[0\]\.operator/,
    cure: ['delete', 'fj', 'brain'],
  },
}

const ALL = { ...REFUSALS, ...REFUSED_JOBS }
let cluster: Cluster
const operator = Promise.withResolvers<void>()
let ended: Promise<void> = Promise.resolve()

before(async () => {
  // As in a cluster: accounts are looked up. Events are forgotten after seconds, not after an hour.
  const flags = { 'disable-admission-plugins': '', 'event-ttl': '20s' }
  cluster = await startCluster({ controllers: true, flags })
  for (const [namespace, { objects, spec }] of Object.entries(ALL)) {
    const level = namespace === 'pod-security' ? { 'pod-security.kubernetes.io/enforce': 'restricted' } : {}
    const place = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: level } }
    const whole = { ...PLACES, partitions: PARTITIONS, ...spec }
    const job = object('FederatedJob', 'fedsam.dev/v1alpha1', { metadata: { name: 'brain' }, spec: whole })
    await cluster.server.kubectl(['apply', '-f', '-'], JSON.stringify(place))
    const items = [...objects, job].map((item) => inNamespace(item, namespace))
    // Quotas count once their controller has looked at them.
    for (const item of items) {
      await cluster.server.kubectl(['apply', '-f', '-'], JSON.stringify(item))
      if (item.kind === 'ResourceQuota')
        await until('the quota counts', async () =>
          (await read(namespace, 'quota', 'team')).includes('"used"'),
        )
    }
  }
  const { kubeconfig } = cluster.server
  // Restricted would refuse what Pod Security refuses here.
  const env = { KUBECONFIG: kubeconfig, FEDSAM_LEADER_ELECTION: 'false', FEDSAM_POD_TEMPLATES: 'Any' }
  ended = withOperatorProcess({ root: ROOT, tag: 'v1', env }, () => operator.promise)
})
after(async () => {
  operator.resolve()
  await ended
  await cluster?.stop()
})

function inNamespace(item: object, namespace: string): { kind: string } {
  const { kind, metadata } = item as { kind: string; metadata: object }
  const place = kind.startsWith('Validating') ? {} : { namespace }
  return { ...item, kind, metadata: { ...metadata, ...place } } as { kind: string }
}

const read = (namespace: string, kind: string, name: string): Promise<string> =>
  cluster.server.kubectl(['-n', namespace, 'get', kind, name, '-o', 'json'])

async function statusIn(namespace: string): Promise<FederatedJobStatus> {
  return (JSON.parse(await read(namespace, 'fj', 'brain')) as { status?: FederatedJobStatus }).status ?? {}
}

const messageOf = (status: FederatedJobStatus, type: string): string =>
  status.conditions?.find((condition) => condition.type === type)?.message ?? ''

const BOTH = /^a: its pod cannot be created: .*; b: its pod cannot be created: /

for (const [name, { says }] of Object.entries(REFUSALS)) {
  test(`${name}: the conditions say why no pod can be created`, async () => {
    let status: FederatedJobStatus = {}
    const told = async (): Promise<boolean> => {
      status = await statusIn(name)
      const quorum = messageOf(status, 'QuorumAvailable')
      return says.test(messageOf(status, 'Ready')) && says.test(quorum) && BOTH.test(quorum)
    }
    await until('the reason', told, { instead: () => status })
    assert.match(messageOf(status, 'Ready'), /^The coordinator: its pod cannot be created: /)
    assert.match(status.summary?.message ?? '', says)
    const ready = status.conditions?.find(({ type }) => type === 'Ready')
    assert.equal(`${ready?.status} ${ready?.reason}`, 'Unknown CoordinatorUnavailable')
  })
}

for (const [name, { says }] of Object.entries(REFUSED_JOBS)) {
  test(`${name}: the conditions say why no Job can be created`, async () => {
    let status: FederatedJobStatus = {}
    const told = async (): Promise<boolean> => {
      status = await statusIn(name)
      return says.test(messageOf(status, 'Ready'))
    }
    await until('the reason', told, { instead: () => status })
    assert.equal(status.conditions?.find(({ type }) => type === 'Ready')?.reason, 'ChildRefused')
  })
}

const fedsam = (...args: string[]) =>
  startFedsam(ROOT, args, { env: { KUBECONFIG: cluster.server.kubeconfig, COLUMNS: '400' } })

test('status and doctor say it of the coordinator and of each worker', async () => {
  const seen = async (expected: RegExp, ...args: string[]): Promise<void> => {
    let shown = ''
    // An event lives for 20 seconds here, and the next attempt brings another.
    const holds = async (): Promise<boolean> => {
      shown = (await fedsam(...args, '-n', 'quota-used-up')).stdout.replace(/\s+/g, ' ')
      return expected.test(shown)
    }
    await until(`${args[0]} says it`, holds, { seconds: 150, instead: () => shown })
  }
  const why = (name: string): string =>
    `its pod cannot be created: pods "brain-${name}" is forbidden: exceeded quota: team`
  await seen(
    RegExp(
      `a Missing ${why('worker-a')}.*b Missing ${why('worker-b')}.*Waits for the coordinator: ${why('coordinator')}`,
    ),
    'status',
    'brain',
  )
  await seen(
    RegExp(`problem pods: coordinator: ${why('coordinator')}.*describe job brain-coordinator`),
    'doctor',
    'brain',
  )
  await seen(RegExp(`problem pods: a: ${why('worker-a')}.*describe job brain-worker-a`), 'doctor', 'brain')
})

test('the reason stays when its events have expired', async () => {
  const { says } = REFUSALS['quota-of-limits']!
  const events = async (): Promise<unknown[]> => {
    const text = await cluster.server.kubectl(['-n', 'quota-of-limits', 'get', 'events', '-o', 'json'])
    return (JSON.parse(text).items as { reason: string }[]).filter(({ reason }) => reason === 'FailedCreate')
  }
  await until('no event is left', async () => (await events()).length === 0)
  const status = await statusIn('quota-of-limits')
  for (const type of ['Ready', 'QuorumAvailable']) assert.match(messageOf(status, type), says)
})

test('cured: the pods are created, and the reason is gone', async () => {
  for (const [namespace, { cure }] of Object.entries(ALL)) {
    const args = cure.map((word) => word.replace('{namespace}', namespace))
    await cluster.server.kubectl(['-n', namespace, ...args])
  }
  for (const [name, { says }] of Object.entries({
    ...REFUSALS,
    'quota-of-jobs': REFUSED_JOBS['quota-of-jobs']!,
  })) {
    let status: FederatedJobStatus = {}
    let pods = ''
    const cured = async (): Promise<boolean> => {
      status = await statusIn(name)
      pods = await cluster.server.kubectl(['-n', name, 'get', 'pods', '-o', 'name'])
      return !says.test(JSON.stringify(status)) && pods.trim().split('\n').length === 3
    }
    const instead = (): unknown => ({ status, pods })
    await until(`${name} is cured`, cured, { seconds: 150, instead })
  }
})
