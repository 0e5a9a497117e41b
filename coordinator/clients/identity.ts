// Checks that a token belongs to a client. The token is the projected service-account token of the client's pod, signed by the
// cluster. A token passes only if it has this run's audience and the account of the client's partition, has not expired, and is
// signed by a key of the cluster with an asymmetric algorithm. A verified token is remembered while it is valid. No request per
// token is sent.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { sha256 } from '#protocol/digest.ts'
import { shortened } from '#protocol/text.ts'
import type { ClusterKeys } from '#transport/kubernetes/keys.ts'
import type { Verify } from './context.ts'

export interface IdentityOptions {
  readonly keys: ClusterKeys
  /** The audience that a token must have: audienceOf the run. */
  readonly audience: string
  /** The subject that the client's token must have; undefined where the job has no such client. */
  readonly subjectOf: (client: string) => string | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The algorithms of API servers. All are asymmetric, so that an attacker cannot use a public key as a shared secret. */
const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512']
/** Seconds by which the clocks of two nodes may differ. */
const TOLERANCE_SECONDS = 60

/** A check that remembers one token per client, by its digest. It throws where the cluster's keys cannot be read now. */
export function verifyBy(options: IdentityOptions): Verify {
  const { keys, audience, subjectOf, now } = options
  const verified = new Map<
    string,
    { readonly digest: string; readonly subject: string; readonly until: number }
  >()
  return async (client, token) => {
    const subject = subjectOf(client)
    if (subject === undefined) return `the job has no partition named ${client}`
    if (token === '') return 'the request has no token; the pod of a worker mounts one'
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
      // The library quotes names from the token, which any sender may have chosen: so the text is shortened.
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

/** Verifies with the known keys. Where none of them signed the token, it reads the keys again: the cluster may have a new one. */
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
