// The client of one look at one job: every write is noted, so that the next look knows what the cache must show first; a name that
// is taken already is looked at, so that the next look knows by whom.
import { MANAGED_BY_LABEL } from '#protocol/labels.ts'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import { jobsOf } from '../cache/store.ts'
import { trim } from '../cache/trim.ts'
import { apiVersionOf, pathOf, targetOf } from '../client/resources.ts'
import type { OwnWrites } from './own-writes.ts'
import type { Strays } from './unlabelled.ts'

export interface Witness {
  readonly client: KubernetesClient
  /** Whether something was met that this look did not know of. */
  readonly isAgain: () => boolean
}

export function witnessed(
  client: KubernetesClient,
  context: { job: string; signal: AbortSignal; ownWrites: OwnWrites; strays: Strays },
): Witness {
  const { job, signal, ownWrites, strays } = context
  let again = false
  const taken = async (kind: string, body: KubernetesObject): Promise<void> => {
    again = true
    const there = await readOne(client, { kind, ...body.metadata, signal })
    if (!there) return
    const ours = MANAGED_BY_LABEL in (there.metadata.labels ?? {}) && jobsOf(there).includes(job)
    if (ours) ownWrites.wrote(job, kind, there)
    else strays.add(job, there, performance.now())
  }
  const note = (call: Call, answer: unknown): void => {
    const { kind, namespace, name } = targetOf(call.path)
    if (kind === undefined || kind === 'Event') return
    if (call.method === 'DELETE') {
      const { preconditions } = call.body as { preconditions?: { uid?: string } }
      ownWrites.deleted(job, kind, { namespace, name, uid: preconditions?.uid ?? '' })
      return
    }
    const object = answer as KubernetesObject
    ownWrites.wrote(job, kind, object)
    strays.drop(job, kind, object.metadata.name)
  }
  const call = async <T>(asked: Call): Promise<T> => {
    signal.throwIfAborted()
    try {
      const answer = await client.call<T>({ ...asked, signal })
      if (asked.method !== 'GET') note(asked, answer)
      return answer
    } catch (error) {
      const { kind } = targetOf(asked.path)
      const isTaken = error instanceof ApiError && error.reason === 'AlreadyExists'
      if (isTaken && kind !== undefined) await taken(kind, asked.body as KubernetesObject)
      throw error
    }
  }
  return { client: { ...client, call }, isAgain: () => again }
}

/** The object as it is now, or undefined where there is none. */
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
