// The API server's warnings about our pods and Jobs: no status holds what hinders a mount, or the creation of a pod. Keeps the last
// few of each object while the object exists, although the API server forgets an event after an hour. Keeps for a moment those of
// objects that it has not seen yet, of which most are never ours. What a warning means is decided in operator/reconcile.
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { warningOf } from '../../objects/warnings.ts'
import type { Follower, RawObject } from './reflector.ts'

export interface Warnings extends Follower {
  /** One of our objects exists; what was said of it before counts. */
  adopt(object: KubernetesObject): void
  forget(object: KubernetesObject): void
  /** Drops what was said of the object with this uid up to this moment, in milliseconds since 1970: it holds no longer. */
  cured(uid: string, until: number): void
  /** Oldest first. */
  of(object: KubernetesObject): readonly Warning[]
  isSynced(): boolean
}

const PER_OBJECT = 5
const UNKNOWN_OBJECTS = 500

/** `changed` is called for one of our objects about which something new is said. */
export function openWarnings(changed: (object: KubernetesObject) => void): Warnings {
  const ours = new Map<string, { readonly object: KubernetesObject; warnings: Warning[] }>()
  const unknown = new Map<string, Warning[]>()
  let synced = false

  const add = (event: RawObject): void => {
    const warning = warningOf(event)
    if (warning.uid === '') return
    const known = ours.get(warning.uid)
    const warnings = known?.warnings ?? unknown.get(warning.uid) ?? []
    const same = warnings.findIndex(
      ({ reason, message }) => reason === warning.reason && message === warning.message,
    )
    const [before] = same < 0 ? [] : warnings.splice(same, 1)
    warnings.push(warning)
    if (warnings.length > PER_OBJECT) warnings.shift()
    // The same again is news where it comes after its cure.
    if (known && before?.at !== warning.at) changed(known.object)
    if (!known) keepUnknown(warning.uid, warnings)
  }
  const keepUnknown = (uid: string, warnings: Warning[]): void => {
    unknown.delete(uid)
    unknown.set(uid, warnings)
    const oldest = unknown.keys().next().value
    if (unknown.size > UNKNOWN_OBJECTS && oldest !== undefined) unknown.delete(oldest)
  }
  return {
    adopt(object) {
      const uid = object.metadata.uid ?? ''
      ours.set(uid, { object, warnings: ours.get(uid)?.warnings ?? unknown.get(uid) ?? [] })
      unknown.delete(uid)
    },
    forget: ({ metadata }) => void ours.delete(metadata.uid ?? ''),
    cured(uid, until) {
      const known = ours.get(uid)
      if (known) known.warnings = known.warnings.filter(({ at }) => at > until)
    },
    of: ({ metadata }) => ours.get(metadata.uid ?? '')?.warnings ?? [],
    isSynced: () => synced,
    listing() {},
    page: (items) => items.forEach(add),
    listed() {
      synced = true
    },
    changed: add,
    // An event expires after an hour; what it says stays true until the object changes or goes.
    deleted() {},
    reached() {},
  }
}
