// Warnings about our pods, as the API server tells of them: what hinders a mount or a pod's start stands in no status. Keeps the
// last few of each pod while the pod is there, and for a moment those of pods not yet seen, of which most are never ours.
import type { KubernetesObject, PodEvent } from '../reconcile/objects.ts'
import type { Follower, RawObject } from './reflector.ts'

export interface PodEvents extends Follower {
  /** A pod of ours is there; what was said of it before counts. */
  adopt(pod: KubernetesObject): void
  forget(pod: KubernetesObject): void
  /** Oldest first. */
  of(pod: KubernetesObject): readonly PodEvent[]
  isSynced(): boolean
}

const PER_POD = 5
const UNKNOWN_PODS = 500

/** `changed` is called for a pod of ours about which something new is said. */
export function openPodEvents(changed: (pod: KubernetesObject) => void): PodEvents {
  const ours = new Map<string, { readonly pod: KubernetesObject; readonly events: PodEvent[] }>()
  const unknown = new Map<string, PodEvent[]>()
  let synced = false

  const add = (object: RawObject): void => {
    const { uid, event } = read(object)
    if (uid === undefined) return
    const known = ours.get(uid)
    const events = known?.events ?? unknown.get(uid) ?? []
    const same = events.findIndex(
      ({ reason, message }) => reason === event.reason && message === event.message,
    )
    if (same >= 0) events.splice(same, 1)
    events.push(event)
    if (events.length > PER_POD) events.shift()
    if (known && same < 0) changed(known.pod)
    if (!known) keepUnknown(uid, events)
  }
  const keepUnknown = (uid: string, events: PodEvent[]): void => {
    unknown.delete(uid)
    unknown.set(uid, events)
    const oldest = unknown.keys().next().value
    if (unknown.size > UNKNOWN_PODS && oldest !== undefined) unknown.delete(oldest)
  }
  return {
    adopt(pod) {
      const uid = pod.metadata.uid ?? ''
      ours.set(uid, { pod, events: ours.get(uid)?.events ?? unknown.get(uid) ?? [] })
      unknown.delete(uid)
    },
    forget: ({ metadata }) => void ours.delete(metadata.uid ?? ''),
    of: ({ metadata }) => ours.get(metadata.uid ?? '')?.events ?? [],
    isSynced: () => synced,
    listing() {},
    page: (items) => items.forEach(add),
    listed() {
      synced = true
    },
    changed: add,
    // Events are forgotten after an hour; what they told stays true until the pod goes.
    deleted() {},
    reached() {},
  }
}

function read(object: RawObject): { readonly uid: string | undefined; readonly event: PodEvent } {
  const { regarding, reason, note } = object as {
    regarding?: { uid?: string; name?: string }
    reason?: string
    note?: string
  }
  const event = { pod: regarding?.name ?? '', reason: reason ?? '', message: (note ?? '').slice(0, 1024) }
  return { uid: regarding?.uid, event: Object.freeze(event) }
}
