// The keys that sign a cluster's service-account tokens (JWKS), from its API server: read once, and again when a token names an
// unknown key, since clusters rotate keys. Every account may read them (system:service-account-issuer-discovery).
import type { Clock } from '#runtime/clock.ts'
import type { KubernetesClient } from './calls.ts'

/** A JSON Web Key Set (RFC 7517). */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

export interface ClusterKeys {
  /** The known keys; reads them the first time. Throws the errors of the network and the server. */
  known(): Promise<KeySet>
  /** The keys after a new read; the known keys where the last read is less than RENEWAL_SECONDS ago. */
  renewed(): Promise<KeySet>
}

const PATH = '/openid/v1/jwks'
/** Seconds between two reads: tokens with invented keys, which any client may send, must not cause more requests. */
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
