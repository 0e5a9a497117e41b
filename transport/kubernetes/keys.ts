// The keys that sign a cluster's service-account tokens (JWKS), as its API server publishes them: asked for once, and again when a
// token names a key that is not among them, since keys are rotated. Every account may read them (system:service-account-issuer-discovery).
import type { Clock } from '#runtime/clock.ts'
import type { KubernetesClient } from './calls.ts'

/** A JSON Web Key Set (RFC 7517). */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

export interface ClusterKeys {
  /** Those known. Throws what the network and the server throw. */
  known(): Promise<KeySet>
  /** Asked for anew, at most once in RENEWAL_SECONDS: else those known. */
  renewed(): Promise<KeySet>
}

const PATH = '/openid/v1/jwks'
/** Anybody may send a token that names any key: that costs no request. */
const RENEWAL_SECONDS = 60

export function openClusterKeys(client: Pick<KubernetesClient, 'call'>, clock: Clock): ClusterKeys {
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<KeySet> | undefined
  let keys: KeySet | undefined
  const ask = (): Promise<KeySet> => {
    askedAt = clock.now()
    asking ??= client
      .call<KeySet>({ method: 'GET', path: PATH })
      .then((found) => {
        keys = found
        return found
      })
      .finally(() => {
        asking = undefined
      })
    return asking
  }
  return {
    known: async () => keys ?? ask(),
    renewed: async () => (keys !== undefined && clock.now() - askedAt < RENEWAL_SECONDS ? keys : ask()),
  }
}
