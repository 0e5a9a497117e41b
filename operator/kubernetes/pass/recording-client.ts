// The client of one pass over one job. It passes calls on, and records what the next pass must know: each write,
// which the cache must show first (own-writes.ts), and each name that was taken when the pass wanted to create a
// child.
//
//   answer to a call            the client records
//   -------------------------   ---------------------------------------------------------------------------------------
//   written                     own write: the cache must reach the answer's version; the object is unlabelled no longer
//   deleted                     own write: the cache must lose this uid
//   create: AlreadyExists       it reads the object. Labelled and of this job: an own write of an interrupted pass or of an
//                               earlier leader, which the cache will show. Any other: an unlabelled object (unlabelled.ts).
//                               Either way `mustRepeat`: the pass decided without this object
//
// It adopts nothing: reconcile decides by the owner reference whether an object is ours (reconcile/writes.ts).
import { MANAGED_BY_LABEL } from '#protocol/labels.ts'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import { jobsOf } from '../cache/store.ts'
import { trim } from '../cache/trim.ts'
import { apiVersionOf, pathOf, targetOf } from '../client/resources.ts'
import type { OwnWrites } from './own-writes.ts'
import type { UnlabelledObjects } from './unlabelled.ts'

export interface RecordingClient {
  readonly client: KubernetesClient
  /** Whether the pass met an object that it did not know of, so that another pass must follow at once. */
  readonly mustRepeat: () => boolean
}

interface PassContext {
  /** The key of the FederatedJob, namespace/name. */
  readonly job: string
  readonly signal: AbortSignal
  readonly ownWrites: OwnWrites
  readonly unlabelled: UnlabelledObjects
}

export function openRecordingClient(client: KubernetesClient, context: PassContext): RecordingClient {
  const { job, signal, ownWrites, unlabelled } = context
  let repeat = false
  const recordTaken = async (kind: string, wanted: KubernetesObject): Promise<void> => {
    repeat = true
    const there = await readOne(client, { kind, ...wanted.metadata, signal })
    if (!there) return
    const labelled = MANAGED_BY_LABEL in (there.metadata.labels ?? {})
    if (labelled && jobsOf(there).includes(job)) ownWrites.wrote(job, kind, there)
    else unlabelled.add(job, there, performance.now())
  }
  const recordWrite = (call: Call, answer: unknown): void => {
    const { kind, namespace, name } = targetOf(call.path)
    if (kind === undefined || kind === 'Event') return
    if (call.method === 'DELETE') {
      const { preconditions } = call.body as { preconditions?: { uid?: string } }
      ownWrites.deleted(job, kind, { namespace, name, uid: preconditions?.uid ?? '' })
      return
    }
    const object = answer as KubernetesObject
    ownWrites.wrote(job, kind, object)
    unlabelled.drop(job, kind, object.metadata.name)
  }
  const call = async <T>(asked: Call): Promise<T> => {
    signal.throwIfAborted()
    try {
      const answer = await client.call<T>({ ...asked, signal })
      if (asked.method !== 'GET') recordWrite(asked, answer)
      return answer
    } catch (error) {
      const { kind } = targetOf(asked.path)
      const isTaken = error instanceof ApiError && error.reason === 'AlreadyExists'
      if (isTaken && kind !== undefined) await recordTaken(kind, asked.body as KubernetesObject)
      throw error
    }
  }
  return { client: { ...client, call }, mustRepeat: () => repeat }
}

/** The object as the API server has it now, or undefined where it does not exist. */
export async function readOne(
  client: KubernetesClient,
  { kind, namespace, name, signal }: { kind: string; namespace: string; name: string; signal: AbortSignal },
): Promise<KubernetesObject | undefined> {
  const call = { method: 'GET', path: pathOf(kind, namespace, name), signal } as const
  const object = await client.call<KubernetesObject>(call).catch((error: unknown) => {
    if (error instanceof ApiError && error.reason === 'NotFound') return undefined
    throw error
  })
  return object && trim(kind, apiVersionOf(kind), object)
}
