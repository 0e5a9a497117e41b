// Read your own writes. The cache follows the API server with a delay. A pass that reads the cache before it shows
// the writes of the pass before decides on the past: it repeats creates and deletes, and its status fails as a
// Conflict.
//
//   a pass writes                       API server                  the cache, by its watches
//   ─────────────────────────────────   ─────────────────────────   ─────────────────────────────────────
//   create Job x  ──────────────────►   Job x at version 41  ───►   Jobs up to version 40 … 41: shown
//   delete Job y (uid 7)  ──────────►   Job y is gone  ─────────►   Job y (uid 7) … gone, going or replaced: shown
//
//   the next pass asks waitFor:   all shown                    'Shown': decide on the cache
//                                 not yet                      wait that many milliseconds
//                                 not within LONGEST_MS        0 or less: read the objects from the API server itself
//
// The last line bounds the wait where a watch is broken. Only writes of this process count. The cache of a new leader
// may lack the last writes of the leader before: then its creates fail as AlreadyExists, which recording-client.ts
// handles, and its status as a Conflict.
import type { KubernetesObject } from '../../objects/shapes.ts'
import type { Cache } from '../cache/cache.ts'

/** What the cache must show: this version of the kind, or that the object with the uid `gone` no longer exists. */
type Expected =
  | { readonly kind: string; readonly namespace: string; readonly key: string; readonly version: string }
  | { readonly kind: string; readonly namespace: string; readonly key: string; readonly gone: string }

/** `job` is the key of a FederatedJob, namespace/name. */
export interface OwnWrites {
  /** A pass over this job wrote an object; `object` is the API server's answer. */
  wrote(job: string, kind: string, object: KubernetesObject): void
  /** A pass over this job deleted the object with this uid; an empty uid means any object of the name. */
  deleted(job: string, kind: string, object: { namespace: string; name: string; uid: string }): void
  /** 'Shown', or the milliseconds until the pass must read from the API server; 0 or less: now. */
  waitFor(job: string, now: number): 'Shown' | number
  forget(job: string): void
}

/** Milliseconds after the last write that a pass waits for the cache: a watch reports a write within a second. */
const LONGEST_MS = 10_000

/** `now` is a monotonic clock in milliseconds. */
export function openOwnWrites(cache: Pick<Cache, 'get' | 'hasReached'>, now: () => number): OwnWrites {
  const pending = new Map<string, { until: number; expected: Expected[] }>()
  const expect = (job: string, expected: Expected): void => {
    const known = pending.get(job) ?? { until: 0, expected: [] }
    known.until = now() + LONGEST_MS
    // Of two writes to one object only the later one counts.
    known.expected = [
      ...known.expected.filter(({ kind, key }) => kind !== expected.kind || key !== expected.key),
      expected,
    ]
    pending.set(job, known)
  }
  const isShown = (expected: Expected): boolean => {
    const { kind, namespace, key } = expected
    if ('version' in expected) return cache.hasReached(kind, namespace, expected.version)
    const there = cache.get(kind, key)?.metadata
    return (
      !there || there.deletionTimestamp !== undefined || (expected.gone !== '' && there.uid !== expected.gone)
    )
  }
  return {
    wrote(job, kind, { metadata }) {
      const { namespace, name, resourceVersion } = metadata
      if (resourceVersion === undefined) return
      expect(job, { kind, namespace, key: `${namespace}/${name}`, version: resourceVersion })
    },
    deleted(job, kind, { namespace, name, uid }) {
      expect(job, { kind, namespace, key: `${namespace}/${name}`, gone: uid })
    },
    waitFor(job, at) {
      const known = pending.get(job)
      if (!known) return 'Shown'
      known.expected = known.expected.filter((expected) => !isShown(expected))
      if (known.expected.length > 0) return known.until - at
      pending.delete(job)
      return 'Shown'
    },
    forget: (job) => void pending.delete(job),
  }
}
