// What a real Job controller does about the ends of pods: exit codes under podFailurePolicy with native sidecars, a job that failed,
// a Job that is renewed, a queue that holds Jobs, the time to live. There is no node: the status that a kubelet would report is
// written in its place.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { pathOf } from '#operator/kubernetes/client/resources.ts'
import type { KubernetesObject } from '#operator/objects/shapes.ts'
import { POD_EXITS, type PodExit } from '#protocol/exit-codes.ts'
import { ROOT } from '../cli/fedsam.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { withOperatorProcess } from './operator-process.ts'

const PLACES = { storage: { s3: {} }, messaging: { nats: {} } }
const MERGE = 'application/merge-patch+json'
const LONG_AGO = '2026-01-01T00:00:00Z'

let cluster: Cluster
const operator = Promise.withResolvers<void>()
let ended: Promise<void> = Promise.resolve()
before(async () => {
  cluster = await startCluster({ controllers: true })
  const env = { KUBECONFIG: cluster.server.kubeconfig, FEDSAM_LEADER_ELECTION: 'false' }
  ended = withOperatorProcess({ root: ROOT, tag: 'v1', env }, () => operator.promise)
})
after(async () => {
  operator.resolve()
  await ended
  await cluster?.stop()
})

/** Creates the job `brain` in a namespace of its own. */
async function createJob(namespace: string, spec: object, metadata: object = {}): Promise<KubernetesObject> {
  const { client } = cluster
  await client.call({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace } } })
  const body = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain', ...metadata },
    spec: { ...PLACES, ...spec },
  }
  return client.call({ method: 'POST', path: pathOf('FederatedJob', namespace), body })
}

const read = (kind: string, namespace: string, name: string): Promise<KubernetesObject> =>
  cluster.client.call({ method: 'GET', path: pathOf(kind, namespace, name) })

/** A merge patch of an object, or of a subresource of it. */
async function patch(object: [string, string, string], body: object, subresource = ''): Promise<void> {
  const path = `${pathOf(...object)}${subresource}`
  await cluster.client.call({ method: 'PATCH', path, body, contentType: MERGE })
}

async function podsOf(namespace: string, job: string): Promise<KubernetesObject[]> {
  const path = `${pathOf('Pod', namespace)}?labelSelector=job-name%3D${job}`
  return (await cluster.client.call<{ items: KubernetesObject[] }>({ method: 'GET', path })).items
}

const conditionOf = ({ status }: KubernetesObject, type: string): Record<string, unknown> | undefined =>
  (status?.conditions as Record<string, unknown>[] | undefined)?.find((condition) => condition.type === type)

const jobStatus = async (namespace: string, type: string): Promise<string> => {
  const found = conditionOf(await read('FederatedJob', namespace, 'brain'), type)
  return `${found?.status} ${found?.reason}: ${found?.message}`
}

interface End {
  readonly exitCode: number
  /** Of the network half, where it ended too. */
  readonly network?: number
  readonly conditions?: readonly object[]
}

/** What the kubelet would say of a pod whose trainer, or coordinator, ended so. */
async function endPod(pod: KubernetesObject, { exitCode, network, conditions = [] }: End): Promise<void> {
  const { namespace, name } = pod.metadata
  const { containers, initContainers = [] } = pod.spec as Record<string, { name: string }[]>
  const terminated = (code: number): object => ({
    terminated: { exitCode: code, reason: code === 0 ? 'Completed' : 'Error', finishedAt: LONG_AGO },
  })
  const running = { running: { startedAt: LONG_AGO } }
  const statusOf = (container: string, state: object): object => ({
    name: container,
    state,
    ready: false,
    restartCount: 0,
    image: 'i',
    imageID: 'i',
  })
  const status = {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions,
    containerStatuses: containers!.map((container) => statusOf(container.name, terminated(exitCode))),
    initContainerStatuses: initContainers.map((container) =>
      statusOf(container.name, network === undefined ? running : terminated(network)),
    ),
  }
  await patch(['Pod', namespace, name], { status }, '/status')
}

type Becomes = 'Fails' | 'Replaced' | 'Counted' | 'Completes'
const BECOMES = { FailJob: 'Fails', Ignore: 'Replaced', Count: 'Counted', Complete: 'Completes' } as const

/** A partition for each end, and what the Job controller must make of it. */
const ENDS: Readonly<Record<string, readonly [End, Becomes]>> = {
  ...Object.fromEntries(
    (Object.entries(POD_EXITS) as [PodExit, { code: number; action: keyof typeof BECOMES }][]).map(
      ([exit, { code, action }]) => [exit.toLowerCase(), [{ exitCode: code, network: 143 }, BECOMES[action]]],
    ),
  ),
  // The policy looks at the trainer alone: the network half of a pod that ends is stopped, however it takes that.
  'sidecar-fails': [{ exitCode: POD_EXITS.Retriable.code, network: POD_EXITS.BadData.code }, 'Counted'],
  'sidecar-replaced': [{ exitCode: POD_EXITS.BadData.code, network: POD_EXITS.Superseded.code }, 'Fails'],
  'node-drained': [
    {
      exitCode: POD_EXITS.BadData.code,
      conditions: [
        {
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'EvictionByEvictionAPI',
          lastTransitionTime: LONG_AGO,
        },
      ],
    },
    'Replaced',
  ],
}

const EXITS = 'exits'

const TRACKED = 'batch.kubernetes.io/job-tracking'

/** What became of the Job whose only pod ended, once the Job controller has judged that pod and replaced it. */
async function becameOf(partition: string, first: string): Promise<Becomes | undefined> {
  const name = `brain-worker-${partition}`
  const pods = await podsOf(EXITS, name)
  const { finalizers = [] } = (pods.find(({ metadata }) => metadata.name === first)?.metadata ?? {}) as {
    finalizers?: readonly string[]
  }
  // After the pods: what the controller notes, it notes before it lets go of the pod.
  const job = await read('Job', EXITS, name)
  if (conditionOf(job, 'Complete')?.status === 'True') return 'Completes'
  if (conditionOf(job, 'Failed')?.status === 'True') return 'Fails'
  const { failed = 0, uncountedTerminatedPods = {} } = (job.status ?? {}) as Record<string, object | number>
  const isJudged = !finalizers.includes(TRACKED) && Object.keys(uncountedTerminatedPods).length === 0
  if (!isJudged || pods.every(({ metadata }) => metadata.name === first)) return undefined
  return failed === 0 ? 'Replaced' : 'Counted'
}

test('each exit code does to a Job what the table says', async () => {
  const partitions = Object.keys(ENDS).map((name) => ({ name }))
  await createJob(EXITS, { partitions })
  // Side by side: a Job that failed is renewed a minute later.
  const found = Object.entries(ENDS).map(
    async ([partition, [end]]): Promise<[string, Becomes | undefined]> => {
      let pods: KubernetesObject[] = []
      await until(`a pod of ${partition}`, async () => {
        pods = await podsOf(EXITS, `brain-worker-${partition}`)
        return pods.length === 1
      })
      await endPod(pods[0]!, end)
      let became: Becomes | undefined
      await until(`an effect of the end of ${partition}`, async () => {
        became = await becameOf(partition, pods[0]!.metadata.name)
        return became !== undefined
      })
      return [partition, became]
    },
  )
  const expected = Object.entries(ENDS).map(([partition, [, becomes]]) => [partition, becomes])
  assert.deepEqual(Object.fromEntries(await Promise.all(found)), Object.fromEntries(expected))
})

test('a Job that failed is named with its reason, makes no pod, and is renewed once its pause is over', async () => {
  const [namespace, name] = ['renewed', 'brain-worker-a']
  await createJob(namespace, { partitions: [{ name: 'a' }, { name: 'b' }] })
  let pods: KubernetesObject[] = []
  await until('a pod', async () => {
    pods = await podsOf(namespace, name)
    return pods.length === 1
  })
  await endPod(pods[0]!, { exitCode: POD_EXITS.BadData.code, network: POD_EXITS.AskedToStop.code })
  const said = /^a: container trainer ended with exit code 65 \(the partition's data .*; retried at \d\d:/
  await until('the reason', async () => {
    const condition = conditionOf(await read('FederatedJob', namespace, 'brain'), 'QuorumAvailable')
    return said.test(String(condition?.message))
  })
  const job = await read('Job', namespace, name)
  assert.equal(conditionOf(job, 'Failed')?.reason, 'PodFailurePolicy')
  assert.equal((await podsOf(namespace, name)).length, 1)
  // An hour later, by the Job itself.
  const conditions = ((job.status?.conditions ?? []) as object[]).map((condition) => ({
    ...condition,
    lastTransitionTime: LONG_AGO,
  }))
  await patch(['Job', namespace, name], { status: { conditions } }, '/status')
  await until('another Job', async () => {
    const { metadata } = await read('Job', namespace, name)
    return metadata.uid !== job.metadata.uid && metadata.annotations?.['fedsam.dev/attempt'] === '2'
  })
  await until('its pod', async () => {
    const pods = await podsOf(namespace, name)
    return pods.length === 1 && pods[0]!.metadata.ownerReferences?.[0]?.uid !== job.metadata.uid
  })
})

test('a coordinator that finds the job wrong fails it, and its workers go', async () => {
  await createJob('wrong', { partitions: [{ name: 'a' }, { name: 'b' }] })
  let pods: KubernetesObject[] = []
  await until('pods', async () => {
    pods = await podsOf('wrong', 'brain-coordinator')
    return pods.length === 1 && (await podsOf('wrong', 'brain-worker-b')).length === 1
  })
  await endPod(pods[0]!, { exitCode: POD_EXITS.BadConfiguration.code })
  await until('Failed', async () => (await jobStatus('wrong', 'Failed')).startsWith('True BadConfiguration'))
  await until('no Job is left', async () => {
    const { items } = await cluster.client.call<{ items: unknown[] }>({
      method: 'GET',
      path: pathOf('Job', 'wrong'),
    })
    return items.length === 0
  })
})

test('the time to live ends a complete job, and everything that it owned goes with it', async () => {
  const { metadata } = await createJob('over', {
    ttlSecondsAfterFinished: 1,
    partitions: [{ name: 'a' }, { name: 'b' }],
  })
  await until('pods', async () => (await podsOf('over', 'brain-worker-b')).length === 1)
  const training = { uid: metadata.uid, epoch: 1, round: 1, attempt: 1, state: 'Complete' }
  await patch(['FederatedJob', 'over', 'brain'], { status: { training } }, '/status')
  const left = async (): Promise<string> =>
    cluster.server.kubectl([
      ...['-n', 'over', 'get', 'fj,jobs,pods,serviceaccounts,roles,rolebindings,networkpolicies'],
      ...['-l', 'app.kubernetes.io/managed-by=fedsam-operator', '-o', 'name'],
    ])
  await until('all is gone', async () => (await left()).trim() === '')
  await assert.rejects(read('FederatedJob', 'over', 'brain'), { status: 404 })
})

test('with the label of a queue the queue alone starts a Job: no write of the operator does', async () => {
  const namespace = 'queued'
  const names = ['brain-coordinator', 'brain-worker-a', 'brain-worker-b']
  const labels = { 'kueue.x-k8s.io/queue-name': 'gpus' }
  await createJob(namespace, { partitions: [{ name: 'a' }, { name: 'b' }] }, { labels })
  const suspensions = async (): Promise<string> => {
    const jobs = await Promise.all(names.map((name) => read('Job', namespace, name)))
    return jobs.map(({ spec }) => spec?.suspend).join()
  }
  /** As Kueue does. */
  const admit = async (): Promise<void> => {
    for (const name of names) await patch(['Job', namespace, name], { spec: { suspend: false } })
  }
  /** A user changes a label, and the operator repairs it. By then it has applied everything else. */
  const repaired = async (): Promise<void> => {
    const role = 'fedsam.dev/role'
    for (const name of names)
      await patch(['Job', namespace, name], { metadata: { labels: { [role]: 'other' } } })
    for (const name of names)
      await until(`the repair of ${name}`, async () => {
        const { metadata } = await read('Job', namespace, name)
        return metadata.labels?.[role] !== 'other'
      })
  }
  await until('Jobs', async () => (await suspensions()) === 'true,true,true')
  await until('Queued', async () =>
    (await jobStatus(namespace, 'Ready')).startsWith('Unknown Queued: Queue gpus'),
  )
  await repaired()
  assert.equal(await suspensions(), 'true,true,true', 'before the queue admits them')
  await admit()
  await until('pods', async () => (await podsOf(namespace, 'brain-worker-b')).length === 1)
  await repaired()
  assert.equal(await suspensions(), 'false,false,false', 'after the queue has admitted them')
  await patch(['FederatedJob', namespace, 'brain'], { spec: { suspend: true } })
  await until('the user suspends', async () => (await suspensions()) === 'true,true,true')
  await until('no pod', async () => (await podsOf(namespace, 'brain-worker-b')).length === 0)
  await patch(['FederatedJob', namespace, 'brain'], { spec: { suspend: false } })
  await until('Queued', async () => (await jobStatus(namespace, 'Ready')).startsWith('Unknown Queued'))
  await repaired()
  assert.equal(await suspensions(), 'true,true,true', 'resumed by the user: the queue decides')
  await admit()
  await until('pods again', async () => (await podsOf(namespace, 'brain-worker-b')).length === 1)
  await repaired()
  assert.equal(await suspensions(), 'false,false,false')
})
