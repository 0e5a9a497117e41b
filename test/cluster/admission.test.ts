// The chart's admission policy as a real API server evaluates it: of a job's status its coordinator writes training and nothing
// else, the operator everything else, an administrator all of it. The Roles are those that chart and operator render.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { StoredJob } from '#operator/objects/shapes.ts'
import { certificateFault } from '#protocol/certificate.ts'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { TRUST } from '../given/signed.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { clientAs, install } from './installed.ts'
import { JOBS, pass, SPEC } from './passes.ts'

/** The operator's own namespace, and one of jobs. */
const [SYSTEM, TEAM] = ['system', 'team']

const CONDITION = {
  type: 'Complete',
  status: 'True',
  reason: 'Forged',
  message: '',
  lastTransitionTime: '2026-11-24T08:00:00Z',
}
const CERTIFICATE = {
  uid: 'u',
  namespace: 'team',
  name: 'brain',
  epoch: 1,
  key: 'a'.repeat(64),
  signature: 'b'.repeat(128),
}
const KEY = { epoch: 1, publicKey: 'c'.repeat(64) }
const TRAINING = { epoch: 1, key: KEY, round: 1, attempt: 1, state: 'Training' }
/** Every part of the status but training, as somebody would forge it. */
const OTHERS: Readonly<Record<string, unknown>> = {
  observedGeneration: 7,
  startTime: '2026-01-01T00:00:00Z',
  completionTime: '2026-11-24T08:00:00Z',
  summary: { state: 'Complete' },
  conditions: [CONDITION],
  coordinatorCertificate: CERTIFICATE,
}

let cluster: Cluster
const clients: KubernetesClient[] = []
before(async () => {
  cluster = await startCluster()
  await install(cluster, SYSTEM)
})
after(async () => {
  for (const client of clients) client.close()
  await cluster?.stop()
})

async function as(namespace: string, account: string): Promise<KubernetesClient> {
  const client = await clientAs(cluster, namespace, account)
  clients.push(client)
  return client
}

/** Server-side apply of a status, as coordinator and operator do. */
function apply(
  client: KubernetesClient,
  { metadata: { namespace } }: StoredJob,
  status: object,
  manager = 'fedsam-coordinator',
): Promise<StoredJob> {
  const body = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain', namespace },
    status,
  }
  const path = `${JOBS(namespace)}/brain/status?fieldManager=${manager}&force=true`
  return client.call({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })
}

function merge(client: KubernetesClient, { metadata }: StoredJob, body: object, subresource = '/status') {
  const path = `${JOBS(metadata.namespace)}/brain${subresource}`
  return client.call({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
}

const isRefusal =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof ApiError && error.status === 403 && words.test(error.message)

const isRefusalAtCreation =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof ApiError && error.status === 422 && words.test(error.message)

interface Furnished {
  readonly job: StoredJob
  readonly coordinator: KubernetesClient
}

/** A job, whose children the installed operator's account made, and the job's coordinator. */
async function furnish(namespace: string, system: string): Promise<Furnished> {
  const body = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain' },
    spec: SPEC,
  }
  const job = await cluster.client.call<StoredJob>({ method: 'POST', path: JOBS(namespace), body })
  // Its Role among them: the operator may hand on what it holds.
  assert.ok(await pass({ ...cluster, client: await as(system, 'fedsam') }, namespace))
  return { job, coordinator: await as(namespace, 'brain-coordinator') }
}

/** Until the API server has taken the policy, or its end, up. Each try is another value: what is there already is refused to nobody. */
async function untilInForce({ job, coordinator }: Furnished, inForce = true): Promise<void> {
  let observedGeneration = 100
  await until(`the policy is ${inForce ? '' : 'no longer '}in force`, async () => {
    observedGeneration += 1
    const forged = apply(coordinator, job, { observedGeneration }, 'impatient')
    return isRefusal(/belongs to the operator/)(await forged.catch((error: unknown) => error)) === inForce
  })
}

function jobOf(namespace: string): Promise<StoredJob> {
  return cluster.client.call({ method: 'GET', path: `${JOBS(namespace)}/brain` })
}

test('the coordinator writes training, and no other part of the status', async () => {
  await cluster.server.kubectl(['create', 'namespace', TEAM])
  const team = await furnish(TEAM, SYSTEM)
  await untilInForce(team)
  const { job, coordinator } = team
  const { uid } = job.metadata
  const written = await apply(coordinator, job, { training: { uid, ...TRAINING } })
  assert.equal(written.status?.training?.state, 'Training')
  for (const [field, value] of Object.entries(OTHERS)) {
    const refused = isRefusal(new RegExp(`status\\.${field} belongs to the operator`))
    const forged = { training: { uid, ...TRAINING, round: 2 }, [field]: value }
    await assert.rejects(apply(coordinator, job, forged), refused, field)
    await assert.rejects(merge(coordinator, job, { status: { [field]: value } }), refused, field)
  }
  // The operator certifies the key that the coordinator wrote.
  assert.ok(await pass({ ...cluster, client: await as(SYSTEM, 'fedsam') }, TEAM))
  const certificate = (await jobOf(TEAM)).status?.coordinatorCertificate
  assert.equal(certificate?.key, KEY.publicKey)
  assert.equal(certificateFault(certificate!, { uid: uid!, trust: TRUST }), undefined)
  // What is there, it can neither take away.
  const { training: _, ...rest } = (await jobOf(TEAM)).status ?? {}
  assert.ok(Object.keys(rest).length >= 3)
  for (const field of Object.keys(rest)) {
    const removal = merge(coordinator, job, { status: { [field]: null } })
    await assert.rejects(removal, isRefusal(/belongs to the operator/), field)
  }
  const going = await apply(coordinator, job, { training: { uid, ...TRAINING, round: 2 } })
  assert.equal(going.status?.training?.round, 2)
})

test("the coordinator's Role: its own job, its status, nothing else", async () => {
  const job = await jobOf(TEAM)
  const coordinator = await as(TEAM, 'brain-coordinator')
  const forbidden = isRefusal(/cannot (get|list|patch|delete|create) resource/)
  await assert.rejects(merge(coordinator, job, { spec: { rounds: 1000 } }, ''), forbidden)
  for (const call of [
    { method: 'DELETE', path: `${JOBS(TEAM)}/brain` },
    { method: 'GET', path: JOBS(TEAM) },
    { method: 'GET', path: `${JOBS(TEAM)}/other` },
    { method: 'GET', path: `/api/v1/namespaces/${TEAM}/secrets` },
    { method: 'GET', path: `/api/v1/namespaces/${TEAM}/pods` },
    { method: 'POST', path: JOBS(TEAM), body: job },
  ] as const)
    await assert.rejects(coordinator.call(call), forbidden, `${call.method} ${call.path}`)
  const own = `${JOBS(TEAM)}?fieldSelector=metadata.name%3Dbrain`
  assert.equal((await coordinator.call<{ items: object[] }>({ method: 'GET', path: own })).items.length, 1)
})

test('the operator writes the rest', async () => {
  await cluster.server.kubectl(['create', 'namespace', 'second'])
  const { job, coordinator } = await furnish('second', SYSTEM)
  const { observedGeneration, conditions } = (await jobOf('second')).status ?? {}
  assert.equal(observedGeneration, 1)
  assert.ok(conditions?.some(({ type }) => type === 'Ready'))
  await apply(coordinator, job, { training: { uid: job.metadata.uid, ...TRAINING } })
  const forged = apply(coordinator, job, { conditions: [CONDITION] })
  await assert.rejects(forged, isRefusal(/status\.conditions belongs to the operator/))
})

test("the operator's own namespace runs no job", async () => {
  const refused = isRefusalAtCreation(/namespace system is the operator's own, and runs no jobs/)
  await assert.rejects(furnish(SYSTEM, SYSTEM), refused)
})

test('an administrator writes all of it', async () => {
  await apply(cluster.client, await jobOf(TEAM), OTHERS, 'kubectl')
  assert.equal((await jobOf(TEAM)).status?.summary?.state, 'Complete')
})

test('of namespaces that a release does not watch its policy says nothing', async () => {
  for (const kind of ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'])
    await cluster.server.kubectl(['delete', kind, 'fedsam-status'])
  const ours = { job: await jobOf(TEAM), coordinator: await as(TEAM, 'brain-coordinator') }
  // The next one has the name of this, and would be taken for it.
  await untilInForce(ours, false)
  await cluster.server.kubectl(['create', 'namespace', 'theirs'])
  await install(cluster, 'other', '--set', 'watchNamespaces={theirs},rbac.aggregate=false')
  const theirs = await furnish('theirs', 'other')
  await untilInForce(theirs)
  await apply(ours.coordinator, ours.job, { summary: { state: 'Waiting' } })
})
