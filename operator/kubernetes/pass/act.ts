// Carries out what reconciling wants, in its order: children, then the status, then the events that tell of it, then the end of
// the job itself. Each write is safe to repeat; whoever is interrupted between two of them goes on in the next pass.

import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { StoredJob } from '../../objects/shapes.ts'
import type { Announcement, ChildWrite, Desired, OperatorStatus } from '../../reconcile/contract.ts'
import { pathOf } from '../client/resources.ts'

/** Owner of the operator's fields in server-side apply; the coordinator has another. */
export const FIELD_MANAGER = 'fedsam-operator'

const APPLY = 'application/apply-patch+yaml' // JSON is YAML

export async function act(
  client: KubernetesClient,
  job: StoredJob,
  desired: Desired,
  now: Date,
): Promise<void> {
  const refusals: string[] = []
  for (const write of desired.writes) {
    const refusal = await writeChild(client, write).catch(refusalOf(write))
    if (refusal !== undefined) refusals.push(refusal)
  }
  if (desired.status) await writeStatus(client, job, desired.status)
  for (const announcement of desired.announcements) await announce(client, job, announcement, now)
  if (desired.deleteJob) await deleteJob(client, job)
  if (refusals.length > 0) throw new ChildrenRefused(refusals)
}

/** Children that the API server does not take: a quota, a policy, a template that is wrong. Everything else was carried out. */
export class ChildrenRefused extends Error {
  override readonly name = 'ChildrenRefused'
  /** A sentence each. */
  readonly refusals: readonly string[]

  constructor(refusals: readonly string[]) {
    super(refusals.join(' '))
    this.refusals = refusals
  }
}

function refusalOf({ object }: ChildWrite): (error: unknown) => string {
  return (error) => {
    if (!(error instanceof ApiError && isRefusal(error.status))) throw error
    return `${object.kind} ${object.metadata.name} is refused: ${error.message}.`
  }
}

/** Of no object: who asks (401), what is gone (404) or newer (409), how often (429). A webhook that fails is a 500, of one object. */
const NOT_OF_THE_OBJECT = [401, 404, 409, 429]

function isRefusal(status: number): boolean {
  return (status >= 400 && status < 500 && !NOT_OF_THE_OBJECT.includes(status)) || status === 500
}

async function writeChild(client: KubernetesClient, { kind, object }: ChildWrite): Promise<void> {
  const { name, namespace, uid } = object.metadata
  if (kind === 'Create') {
    const path = `${pathOf(object.kind, namespace)}?fieldManager=${FIELD_MANAGER}-create`
    // Already there: ours from a pass that was interrupted, or somebody's. The next pass sees which.
    await client.call({ method: 'POST', path, body: object }).catch(ignore('AlreadyExists'))
    return
  }
  const path = pathOf(object.kind, namespace, name)
  if (kind === 'Apply') {
    const query = `?fieldManager=${FIELD_MANAGER}&force=true`
    await client.call({ method: 'PATCH', path: `${path}${query}`, body: object, contentType: APPLY })
    return
  }
  // The uid says which object was looked at: a newer one of the same name stays.
  const body = { propagationPolicy: 'Background', ...(uid ? { preconditions: { uid } } : {}) }
  await client.call({ method: 'DELETE', path, body }).catch(ignore('NotFound', 'Conflict'))
}

/** The resourceVersion makes a status that was decided on an older object fail as a Conflict: then it is decided again. */
async function writeStatus(client: KubernetesClient, job: StoredJob, status: OperatorStatus): Promise<void> {
  const { name, namespace, resourceVersion } = job.metadata
  const body = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name, namespace, resourceVersion },
    status,
  }
  const path = `${pathOf('FederatedJob', namespace, name)}/status?fieldManager=${FIELD_MANAGER}&force=true`
  await client.call({ method: 'PATCH', path, body, contentType: APPLY })
}

async function announce(
  client: KubernetesClient,
  job: StoredJob,
  { type, reason, message }: Announcement,
  now: Date,
): Promise<void> {
  const { name, namespace, uid } = job.metadata
  const body = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { generateName: `${name}-`, namespace },
    eventTime: now.toISOString().replace('Z', '000Z'), // six digits, or the API server refuses it
    reportingController: 'fedsam.dev/operator',
    reportingInstance: FIELD_MANAGER,
    action: 'Reconcile',
    type,
    reason,
    note: message,
    regarding: { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', name, namespace, uid },
  }
  await client.call({ method: 'POST', path: pathOf('Event', namespace), body })
}

async function deleteJob(client: KubernetesClient, { metadata }: StoredJob): Promise<void> {
  const body = { propagationPolicy: 'Background', preconditions: { uid: metadata.uid } }
  const path = pathOf('FederatedJob', metadata.namespace, metadata.name)
  await client.call({ method: 'DELETE', path, body }).catch(ignore('NotFound', 'Conflict'))
}

function ignore(...reasons: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError && reasons.includes(error.reason))) throw error
  }
}
