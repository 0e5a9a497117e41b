// Warning events about our pods and Jobs: only an event says why a volume is not mounted or a pod not created. Keeps
// the last few of each object while the object exists, although the API server deletes events after an hour. An event
// may arrive before its object, so it also keeps those of unknown objects for a while. What a warning means is
// decided in operator/reconcile.

import type { Follower, RawObject } from '#transport/kubernetes/reflector.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { warningOf } from '../../objects/warnings.ts'

export interface Warnings extends Follower {
  /** One of our objects exists; earlier warnings about it count from now on. */
  adopt(object: KubernetesObject): void
  /** The object was deleted. */
  forget(object: KubernetesObject): void
  /**
   * Drops the warnings about the object with this uid up to this moment, in milliseconds since 1970: their cause is
   * gone.
   */
  cured(uid: string, until: number): void
  /** Oldest first. */
  of(object: KubernetesObject): readonly Warning[]
  isSynced(): boolean
}

/** Warnings that are kept for each object. Repetitions of one warning count once; an object seldom has more than two. */
const PER_OBJECT = 5
/** Unknown objects whose warnings are kept: the newest ones. Most belong to other owners and never become known. */
const UNKNOWN_OBJECTS = 500

/** `changed` is called with one of our objects when there is a new warning about it. */
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
    // A repetition of a known warning is a change, too: it may come after `cured`.
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
    // An event expires after an hour, but its cause may last: a warning is kept until `forget` or `cured`.
    deleted() {},
    reached() {},
  }
}
