// Read your own writes: a job is not looked at again before the cache shows what was written for it last, or an old picture would
// be decided on. Waits for at most ten seconds; then the truth is read from the API server itself.
import type { KubernetesObject } from '../../objects/shapes.ts'
import type { Cache } from '../cache/cache.ts'

/** What the cache must show. */
type Expected =
  | { readonly kind: string; readonly namespace: string; readonly key: string; readonly version: string }
  | { readonly kind: string; readonly namespace: string; readonly key: string; readonly gone: string }

export interface OwnWrites {
  /** The answer to a write for this job. */
  wrote(job: string, kind: string, object: KubernetesObject): void
  /** The object with this uid is deleted, or on its way out; an unknown uid is any. */
  deleted(job: string, kind: string, object: { namespace: string; name: string; uid: string }): void
  /** Shown: look. Otherwise milliseconds until the truth is due: 0 and below: now. */
  waitFor(job: string, now: number): 'Shown' | number
  forget(job: string): void
}

const LONGEST_MS = 10_000

export function openOwnWrites(cache: Pick<Cache, 'get' | 'hasReached'>, now: () => number): OwnWrites {
  const pending = new Map<string, { until: number; expected: Expected[] }>()
  const expect = (job: string, expected: Expected): void => {
    const known = pending.get(job) ?? { until: 0, expected: [] }
    known.until = now() + LONGEST_MS
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
