// A FederatedJob's life in which the operator does everything that it ever does, in one namespace: children made, edited, repaired,
// pruned, recreated, names that are taken, suspension, a pause, the time to live. Nothing runs: what pods would report is written.
import { apiVersionOf, pathOf } from '#operator/kubernetes/client/resources.ts'
import type { KubernetesObject, StoredJob } from '#operator/objects/shapes.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { until } from '../until.ts'

const PLACES = { storage: { s3: { bucket: 'models' } }, messaging: { nats: { url: 'tls://nats:4222' } } }
const MERGE = 'application/merge-patch+json'
const LONG_AGO = '2026-01-01T00:00:00Z'

/** One child of each kind, of the job `brain`. */
const CHILDREN = [
  ['ServiceAccount', 'brain-worker-a'],
  ['Role', 'brain-coordinator'],
  ['RoleBinding', 'brain-coordinator'],
  ['NetworkPolicy', 'brain-workers'],
  ['Job', 'brain-worker-a'],
] as const

/** Asks as administrator; an operator that watches the namespace must be there. */
export async function liveThrough(client: KubernetesClient, namespace: string): Promise<void> {
  const world = worldOf(client, namespace)
  const job = await world.create('FederatedJob', 'brain', {
    spec: { ...PLACES, partitions: [{ name: 'a' }, { name: 'b' }] },
  })
  await world.until('the children', async () => (await world.names('Job')).length === 3)
  await paused(world, job)
  await world.merge('FederatedJob', 'brain', { spec: { partitions: [{ name: 'a' }, { name: 'c' }] } })
  await world.until('the other partition', async () => {
    const names = await world.names('Job')
    return names.includes('brain-worker-c') && !names.includes('brain-worker-b')
  })
  for (const suspend of [true, false]) {
    await world.merge('FederatedJob', 'brain', { spec: { suspend } })
    await world.until(`suspend: ${suspend}`, () => isSuspended(world, suspend))
  }
  for (const [kind, name] of CHILDREN) await repaired(world, kind, name)
  for (const kind of ['ServiceAccount', 'Role', 'RoleBinding', 'NetworkPolicy'])
    await pruned(world, job, kind)
  await renewed(world)
  await taken(world)
  await outlived(world)
}

type World = ReturnType<typeof worldOf>

function worldOf(client: KubernetesClient, namespace: string) {
  const read = (kind: string, name: string): Promise<KubernetesObject> =>
    client.call({ method: 'GET', path: pathOf(kind, namespace, name) })
  return {
    read,
    create: (kind: string, name: string, fields: object): Promise<StoredJob & KubernetesObject> =>
      client.call({
        method: 'POST',
        path: pathOf(kind, namespace),
        body: {
          ...fields,
          apiVersion: apiVersionOf(kind),
          kind,
          metadata: { ...(fields as { metadata?: object }).metadata, name, namespace },
        },
      }),
    merge: (kind: string, name: string, body: object, subresource = ''): Promise<unknown> =>
      client.call({
        method: 'PATCH',
        path: `${pathOf(kind, namespace, name)}${subresource}`,
        body,
        contentType: MERGE,
      }),
    async names(kind: string): Promise<string[]> {
      const list = { method: 'GET', path: pathOf(kind, namespace) } as const
      const { items } = await client.call<{ items: KubernetesObject[] }>(list)
      return items.map(({ metadata }) => metadata.name)
    },
    isGone: (kind: string, name: string): Promise<boolean> =>
      read(kind, name).then(
        () => false,
        (error: unknown) => error instanceof ApiError && error.status === 404,
      ),
    until: (what: string, holds: () => Promise<boolean>): Promise<void> =>
      until(`${namespace}: ${what}`, holds),
  }
}

async function isSuspended(world: World, suspend: boolean): Promise<boolean> {
  return (await world.read('Job', 'brain-worker-a')).spec?.suspend === suspend
}

/** Too few clients, says the coordinator: its workers are stopped until a moment that it names. */
async function paused(world: World, { metadata: { uid } }: StoredJob): Promise<void> {
  const say = (pauseUntil: string): Promise<unknown> => {
    const training = { uid, epoch: 1, round: 1, attempt: 1, state: 'Waiting', pauseUntil }
    return world.merge('FederatedJob', 'brain', { status: { training } }, '/status')
  }
  await say(new Date(Date.now() + 300_000).toISOString())
  await world.until('the pause', () => isSuspended(world, true))
  await say(LONG_AGO)
  await world.until('its end', () => isSuspended(world, false))
}

/** Somebody changes a child. */
async function repaired(world: World, kind: string, name: string): Promise<void> {
  const label = async (): Promise<string | undefined> =>
    (await world.read(kind, name)).metadata.labels?.['app.kubernetes.io/name']
  await world.merge(kind, name, { metadata: { labels: { 'app.kubernetes.io/name': 'other' } } })
  await world.until(`the repair of ${kind} ${name}`, async () => (await label()) === 'fedsam')
}

/** A child of another version of the operator, which this one does not want. */
async function pruned(world: World, { metadata: { uid } }: StoredJob, kind: string): Promise<void> {
  const owner = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', name: 'brain', uid }
  await world.create(kind, 'brain-earlier', {
    metadata: {
      labels: { 'app.kubernetes.io/managed-by': 'fedsam-operator', 'fedsam.dev/job': 'brain' },
      ownerReferences: [{ ...owner, controller: true }],
    },
    ...FOREIGN[kind],
  })
  await world.until(`the end of ${kind} brain-earlier`, () => world.isGone(kind, 'brain-earlier'))
}

/** A worker's Job that failed, an hour and more ago. */
async function renewed(world: World): Promise<void> {
  const uid = async (): Promise<string | undefined> =>
    (await world.read('Job', 'brain-worker-a')).metadata.uid
  const before = await uid()
  const conditions = ['FailureTarget', 'Failed'].map((type) => ({
    type,
    status: 'True',
    reason: 'BackoffLimitExceeded',
    message: '',
    lastTransitionTime: LONG_AGO,
  }))
  await world.merge(
    'Job',
    'brain-worker-a',
    { status: { startTime: LONG_AGO, failed: 1, conditions } },
    '/status',
  )
  await world.until('the new worker', async () => (await uid()) !== before)
}

/** The least that the API server takes of each kind. */
const FOREIGN: Readonly<Record<string, object>> = {
  ServiceAccount: {},
  Role: { rules: [] },
  RoleBinding: { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'any' } },
  NetworkPolicy: { spec: { podSelector: {} } },
  Job: {
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'any', image: 'any' }] } } },
  },
}

/** Every kind of child meets an object of somebody else under its name. */
async function taken(world: World): Promise<void> {
  for (const [kind, name] of CHILDREN)
    await world.create(kind, name.replace('brain', 'taken'), FOREIGN[kind] ?? {})
  await world.create('FederatedJob', 'taken', {
    spec: { ...PLACES, partitions: [{ name: 'a' }, { name: 'b' }] },
  })
  await world.until('the conflict is in the status', async () => {
    const { status } = await world.read('FederatedJob', 'taken')
    return JSON.stringify(status).includes('ChildConflict')
  })
}

/** A job that is over, and its time too. */
async function outlived(world: World): Promise<void> {
  const spec = { ...PLACES, ttlSecondsAfterFinished: 0, partitions: [{ name: 'a' }, { name: 'b' }] }
  const { metadata } = await world.create('FederatedJob', 'over', { spec })
  await world.until('its children', async () => (await world.names('Job')).includes('over-coordinator'))
  const training = { uid: metadata.uid, epoch: 1, round: 1, attempt: 1, state: 'Complete' }
  await world.merge('FederatedJob', 'over', { status: { training } }, '/status')
  await world.until('its end', () => world.isGone('FederatedJob', 'over'))
}
