// Writes what reconcile wants, in this order: children, status, events about the status, deletion of the job itself.
// Every write is safe to repeat: a pass that is interrupted between two writes is completed by the next pass.

import { APPLY_TYPE, applyQuery, GROUP, KIND, OPERATOR_NAME, REFERENCE } from '#protocol/api.ts'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { StoredJob } from '../../objects/shapes.ts'
import { microTime } from '../../objects/times.ts'
import type { Announcement, ChildWrite, Desired, OperatorStatus } from '../../reconcile/contract.ts'
import { pathOf } from '../client/resources.ts'

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

/** The API server rejected children: for a quota, a policy, or an invalid template. All other writes were carried out. */
export class ChildrenRefused extends Error {
  override readonly name = 'ChildrenRefused'
  /** One sentence for each rejected child. */
  readonly refusals: readonly string[]

  constructor(refusals: readonly string[]) {
    super(refusals.join(' '))
    this.refusals = refusals
  }
}

function refusalOf({ object }: ChildWrite): (error: unknown) => string {
  return (error) => {
    if (!(error instanceof ApiError && isRefusal(error.status))) throw error
    return `The API server rejects ${object.kind} ${object.metadata.name}: ${error.message}.`
  }
}

/**
 * Statuses that do not reject the object: no authentication (401), not found (404), a conflict (409), too many calls
 * (429).
 */
const NOT_A_REJECTION = [401, 404, 409, 429]

/** A webhook that fails rejects its object with 500. */
function isRefusal(status: number): boolean {
  return (status >= 400 && status < 500 && !NOT_A_REJECTION.includes(status)) || status === 500
}

async function writeChild(client: KubernetesClient, { kind, object }: ChildWrite): Promise<void> {
  const { name, namespace, uid } = object.metadata
  if (kind === 'Create') {
    const path = `${pathOf(object.kind, namespace)}?fieldManager=${OPERATOR_NAME}-create`
    // The name is taken: by our own object of an interrupted pass, or by another owner's. The next pass decides on
    // the object.
    await client.call({ method: 'POST', path, body: object }).catch(ignore('AlreadyExists'))
    return
  }
  const path = pathOf(object.kind, namespace, name)
  if (kind === 'Apply') {
    const applied = `${path}${applyQuery(OPERATOR_NAME)}`
    await client.call({ method: 'PATCH', path: applied, body: object, contentType: APPLY_TYPE })
    return
  }
  // The uid is that of the observed object: the API server keeps a newer object of the same name.
  const body = { propagationPolicy: 'Background', ...(uid ? { preconditions: { uid } } : {}) }
  await client.call({ method: 'DELETE', path, body }).catch(ignore('NotFound', 'Conflict'))
}

/**
 * With the resourceVersion, a status that was decided on an older object fails as a Conflict; the next pass decides
 * again.
 */
async function writeStatus(client: KubernetesClient, job: StoredJob, status: OperatorStatus): Promise<void> {
  const { name, namespace, resourceVersion } = job.metadata
  const body = {
    ...REFERENCE,
    metadata: { name, namespace, resourceVersion },
    status,
  }
  const path = `${pathOf(KIND, namespace, name)}/status${applyQuery(OPERATOR_NAME)}`
  await client.call({ method: 'PATCH', path, body, contentType: APPLY_TYPE })
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
    eventTime: microTime(now.getTime()),
    reportingController: `${GROUP}/operator`,
    reportingInstance: OPERATOR_NAME,
    action: 'Reconcile',
    type,
    reason,
    note: message,
    regarding: { ...REFERENCE, name, namespace, uid },
  }
  await client.call({ method: 'POST', path: pathOf('Event', namespace), body })
}

async function deleteJob(client: KubernetesClient, { metadata }: StoredJob): Promise<void> {
  const body = { propagationPolicy: 'Background', preconditions: { uid: metadata.uid } }
  const path = pathOf(KIND, metadata.namespace, metadata.name)
  await client.call({ method: 'DELETE', path, body }).catch(ignore('NotFound', 'Conflict'))
}

function ignore(...reasons: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError && reasons.includes(error.reason))) throw error
  }
}
