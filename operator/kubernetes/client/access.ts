// The operator's own account: what its pod is given to ask the API server with. The kubelet renews token and certificate as files;
// they are read again every few seconds, not for each of hundreds of calls.
import type { ApiAccess } from '#transport/kubernetes/api.ts'

const FRESH_MS = 10_000

/** The same access, read at most every ten seconds. A reading that fails is not remembered. */
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
