// Admits the pods of jobs by their projected service-account tokens, which the cluster signs. A token passes only if its audience names
// this member of this run, its account and namespace are those of that member's pod, it has not expired, and a key of the cluster
// signed it with an asymmetric algorithm. The connection lives as long as the token. No request is sent for a token.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { audienceOf, memberName, memberOf, type RunMember, subjectOf } from '#protocol/identity.ts'
import { permissionsOf } from '#protocol/permissions.ts'
import { shortened } from '#protocol/text.ts'
import type { ClusterKeys } from '#transport/kubernetes/keys.ts'
import type { Job, Jobs } from '../job-index.ts'
import type { Asking, Authenticator, Concerned, Refusal, Refused } from './authenticator.ts'

export interface PodTokenOptions {
  readonly jobs: Pick<Jobs, 'find'>
  readonly keys: ClusterKeys
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The algorithms of API servers. All are asymmetric, so that an attacker cannot use a public key as a shared secret. */
const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512']
/** Seconds by which the clocks of two nodes may differ. */
const TOLERANCE_SECONDS = 60

export function podTokens({ jobs, keys, now }: PodTokenOptions): Authenticator {
  return async (asking) => {
    const found = memberOf(asking.user)
    if (found === undefined) return undefined
    const job = jobs.find(found.uid)
    if (job === undefined) return { kind: 'Refused', reason: 'UnknownJob' }
    const concerned = { run: { ...job.place, job: job.name }, member: asking.user }
    const refused = refusal(concerned)
    const account = accountOf(job, found)
    if (account === undefined) return refused('UnknownClient')
    const early = refusedEarly(asking)
    if (early !== undefined) return refused(early)
    const check = {
      token: asking.password,
      audience: audienceOf(found.uid, found.member),
      subject: subjectOf(job.place.namespace, account),
      now: now(),
    }
    try {
      const { exp = 0 } = await verify(keys, check)
      return {
        kind: 'Admitted',
        name: memberName(found.uid, found.member),
        permissions: permissionsOf(job.place, found.member),
        seconds: Math.max(1, Math.ceil(exp + TOLERANCE_SECONDS - check.now / 1000)),
        connections: ['STANDARD'],
      }
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) return refused('KeysUnreachable', String(error))
      // The library quotes names from the token, which any sender may have chosen: so the text is shortened.
      return refused(reasonOf(error), shortened(error.message, 200))
    }
  }
}

function refusal(concerned: Concerned): (reason: Refusal, detail?: string) => Refused {
  return (reason, detail) => ({ kind: 'Refused', reason, ...(detail ? { detail } : {}), concerned })
}

function accountOf(job: Job, { member }: RunMember): string | undefined {
  return member.role === 'coordinator' ? job.coordinatorAccount : job.workerAccounts.get(member.client)
}

function refusedEarly({ password, type }: Asking): Refusal | undefined {
  if (type !== 'STANDARD') return 'OtherConnection'
  return password === '' ? 'NoToken' : undefined
}

function reasonOf(error: errors.JOSEError): Refusal {
  if (error instanceof errors.JWTExpired) return 'TokenExpired'
  if (!(error instanceof errors.JWTClaimValidationFailed)) return 'BadToken'
  if (error.claim === 'aud') return 'OtherAudience'
  return error.claim === 'sub' ? 'OtherAccount' : 'BadToken'
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
  const { payload } = await jwtVerify(token, finderOf(set), {
    audience,
    subject,
    algorithms: ALGORITHMS,
    clockTolerance: TOLERANCE_SECONDS,
    currentDate: new Date(now),
    requiredClaims: ['exp'],
  })
  return payload
}

type Finder = ReturnType<typeof createLocalJWKSet>
/** The finder of each key set: it keeps the imported keys. */
const FINDERS = new WeakMap<JSONWebKeySet, Finder>()

function finderOf(set: JSONWebKeySet): Finder {
  const known = FINDERS.get(set)
  if (known !== undefined) return known
  const finder = createLocalJWKSet(set)
  FINDERS.set(set, finder)
  return finder
}
