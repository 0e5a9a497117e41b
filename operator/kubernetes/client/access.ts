// Keeps the credentials of the operator's own account for a few seconds. The kubelet renews token and certificate in
// files; hundreds of calls a second need not read these files each.
import type { ApiAccess } from '#transport/kubernetes/api.ts'

/**
 * Milliseconds for which read credentials are used: far less than the minutes that a renewed token overlaps the old
 * one.
 */
const FRESH_MS = 10_000

/** The same access, which reads its files at most every ten seconds. A failed read is not kept. */
export function remembered(
  { server, secure }: ApiAccess,
  now: () => number = () => performance.now(),
): ApiAccess {
  let [known, at] = [undefined as ReturnType<ApiAccess['secure']> | undefined, 0]
  return {
    server,
    secure() {
      if (known && now() - at < FRESH_MS) return known
      const read = secure()
      ;[known, at] = [read, now()]
      read.catch(() => {
        if (known === read) known = undefined
      })
      return read
    },
  }
}
