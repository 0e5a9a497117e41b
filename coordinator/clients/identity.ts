// Who a client is: its pod's projected service-account token says so, signed by the cluster's own keys; no request per token.
// Promises: only a token for this very run's audience, of the account of the client's partition, signed by a key of the cluster
// with an asymmetric algorithm, and not expired, is the client's; one that was verified is not verified again while it is valid.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { sha256 } from '#protocol/digest.ts'
import { shortened } from '#protocol/text.ts'
import type { ClusterKeys } from '#transport/kubernetes/keys.ts'
import type { Verify } from '../run/context.ts'

export interface IdentityOptions {
  readonly keys: ClusterKeys
  /** What the token must be for: audienceOf the run. */
  readonly audience: string
  /** The subject that a client's token must have; undefined where the job has no such client. */
  readonly subjectOf: (client: string) => string | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** What API servers sign with: nothing that a public key could be abused for as a secret. */
const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512']
/** Clocks of two nodes may differ by so much. */
const TOLERANCE_SECONDS = 60

/** A check of one token per client, remembered by digest. Throws where the cluster's keys cannot be read now. */
export function verifyBy(options: IdentityOptions): Verify {
  const { keys, audience, subjectOf, now } = options
  const verified = new Map<
    string,
    { readonly digest: string; readonly subject: string; readonly until: number }
  >()
  return async (client, token) => {
    const subject = subjectOf(client)
    if (subject === undefined) return `the job has no partition named ${client}`
    if (token === '') return 'it sent no token; its pod mounts one'
    const digest = sha256(new TextEncoder().encode(token))
    const known = verified.get(client)
    if (known?.digest === digest && known.subject === subject && now() < known.until) return undefined
    const check = { token, audience, subject, now: now() }
    try {
      const { exp = 0 } = await verify(keys, check)
      verified.set(client, { digest, subject, until: (exp + TOLERANCE_SECONDS) * 1000 })
      return undefined
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error
      // The library quotes names from the token, which anybody may have written.
      return `its token is not one of ${subject} for ${audience}: ${shortened(error.message, 200)}`
    }
  }
}

interface Check {
  readonly token: string
  readonly audience: string
  readonly subject: string
  readonly now: number
}

/** By the keys known; a key that is not among them may be a new one. */
async function verify(keys: ClusterKeys, check: Check): Promise<JWTPayload> {
  try {
    return await verifyWith((await keys.known()) as JSONWebKeySet, check)
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    return verifyWith((await keys.renewed()) as JSONWebKeySet, check)
  }
}

async function verifyWith(set: JSONWebKeySet, { token, audience, subject, now }: Check): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, createLocalJWKSet(set), {
    audience,
    subject,
    algorithms: ALGORITHMS,
    clockTolerance: TOLERANCE_SECONDS,
    currentDate: new Date(now),
    requiredClaims: ['exp'],
  })
  return payload
}
