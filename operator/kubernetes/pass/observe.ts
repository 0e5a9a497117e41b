// Observes one FederatedJob by reading from the API server, without the cache: the job, all objects of its children's kinds in its
// namespace, its pods, and the warnings. The reads are not of one moment; a pass on mixed facts is corrected by the next.

import { KIND } from '#protocol/api.ts'
import { JOB_LABEL } from '#protocol/labels.ts'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { Settings } from '../../objects/settings.ts'
import type { KubernetesObject, StoredJob } from '../../objects/shapes.ts'
import { warningOf } from '../../objects/warnings.ts'
import type { Observed } from '../../reconcile/contract.ts'
import { CHILD_KINDS, pathOf } from '../client/resources.ts'

interface List {
  readonly items: readonly Omit<KubernetesObject, 'kind' | 'apiVersion'>[]
}

/** Undefined where the job does not exist. */
export async function observe(
  client: KubernetesClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  { settings, now }: { readonly settings: Settings; readonly now: number },
): Promise<Observed | undefined> {
  const path = pathOf(KIND, namespace, name)
  const job = await client.call<StoredJob>({ method: 'GET', path }).catch((error: unknown) => {
    if (error instanceof ApiError && error.reason === 'NotFound') return undefined
    throw error
  })
  if (!job) return undefined
  const lists = Object.keys(CHILD_KINDS).map((kind) => listOf(client, kind, namespace))
  const [children, pods, events] = await Promise.all([
    Promise.all(lists).then((all) => all.flat().filter((object) => concerns(object, job))),
    listOf(client, 'Pod', namespace, `?labelSelector=${encodeURIComponent(`${JOB_LABEL}=${name}`)}`),
    listOf(client, 'Event', namespace, `?fieldSelector=${encodeURIComponent('type=Warning')}`),
  ])
  return { job, children, pods, warnings: events.map(warningOf), now, settings }
}

/** Items of a list lack kind and apiVersion, so both are set here. */
async function listOf(
  client: KubernetesClient,
  kind: string,
  namespace: string,
  query = '',
): Promise<KubernetesObject[]> {
  const path = pathOf(kind, namespace)
  const apiVersion = path.replace(/^\/apis?\//, '').replace(/\/namespaces\/.*$/, '')
  const { items } = await client.call<List>({ method: 'GET', path: `${path}${query}` })
  return items.map((item) => ({ ...item, kind, apiVersion }) as KubernetesObject)
}

/** Whether the job owns the object, or its name may be that of a child. */
function concerns({ metadata }: KubernetesObject, { metadata: job }: StoredJob): boolean {
  const owned = (metadata.ownerReferences ?? []).some(({ uid }) => uid === job.uid)
  return owned || metadata.name.startsWith(`${job.name}-`)
}
