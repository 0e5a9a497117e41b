// Admits sites: clients in other networks, each with an Ed25519 key of its own. A site passes only over WebSocket, with a signature of
// the server's nonce by a key that a job names. It gets the subjects of all jobs that name its key and that it listed; a job that it did
// not list gets nothing. No secret travels, and no clock matters: a connection lives for less than a minute, so a key that was removed
// from a job is out within a minute. A key that no job names is refused, so that strangers hold no connections. A key that a job names
// is admitted also without a listed job: it waits for its job, and may use nothing but its own inbox and USER.INFO.
import { verify } from 'node:crypto'
import { publicKeyOfNkey } from '#protocol/nkeys.ts'
import { type RunPlace, sitePermissions } from '#protocol/permissions.ts'
import { ed25519PublicKey } from '#protocol/signatures.ts'
import { decodeJobList, type JobName, jobText, MOST_SITE_JOBS, SITE_USER } from '#protocol/sites.ts'
import type { Job, Jobs } from '../job-index.ts'
import type { Asking, Authenticator, Refusal, Refused } from './authenticator.ts'
import { createOpenings } from './openings.ts'

export interface SiteOptions {
  readonly jobs: Pick<Jobs, 'naming'>
  /** Seconds on a clock that only moves forward. */
  readonly now: () => number
  /** A number from 0 up to, but not including, 1. */
  readonly random: () => number
  /** Replaces the usual life of a connection, in whole seconds. */
  readonly seconds?: { readonly least: number; readonly most: number }
}

/**
 * Seconds that a connection lives. The next one proves the key again, so this is how long a removed key stays. They are random, so that
 * sites that connected at once do not come back at once.
 */
const SECONDS = { least: 40, most: 55 }

export function sites({ jobs, now, random, seconds = SECONDS }: SiteOptions): Authenticator {
  const mayOpen = createOpenings(now)
  const life = (): number => seconds.least + Math.floor(random() * (seconds.most - seconds.least + 1))
  return async (asking) => {
    if (asking.user !== SITE_USER) return undefined
    const publicKey = publicKeyOfNkey(asking.nkey)
    if (publicKey === undefined) return { kind: 'Refused', reason: 'BadKey' }
    const naming = jobs.naming(publicKey)
    if (naming.length === 0) return { kind: 'Refused', reason: 'UnknownKey', detail: publicKey }
    const refused = (reason: Refusal): Refused => ({
      kind: 'Refused',
      reason,
      concerned: { site: publicKey },
    })
    if (asking.type !== 'WEBSOCKET') return refused('OtherConnection')
    if (!isNonceSigned(publicKey, asking)) return refused('BadSignature')
    const listed = decodeJobList(asking.password)
    if (listed === undefined) return refused('BadJobList')
    // Only connections with a right signature count: a stranger cannot use up what the site may open.
    if (!mayOpen(publicKey)) return refused('TooManyConnections')
    return {
      kind: 'Admitted',
      name: `${SITE_USER}/${publicKey}`,
      permissions: sitePermissions(publicKey, clientsOf(publicKey, naming, listed)),
      seconds: life(),
      connections: ['WEBSOCKET'],
    }
  }
}

/** The clients that the site is, in the jobs that it listed. */
function clientsOf(
  publicKey: string,
  naming: readonly Job[],
  listed: readonly JobName[],
): { readonly place: RunPlace; readonly client: string }[] {
  const names = new Set(listed.map(jobText))
  return naming
    .filter(({ place: { namespace }, name }) => names.has(jobText({ namespace, name })))
    .slice(0, MOST_SITE_JOBS)
    .map(({ place, siteClients }) => ({ place, client: siteClients.get(publicKey)! }))
}

/** 64 bytes in base64url without padding, or in base64 with it: nats-server itself accepts these two, and clients send both. */
const SIGNATURE = /^(?:[A-Za-z0-9_-]{86}|[A-Za-z0-9+/]{86}==)$/

/** Whether this key signed the nonce that the server made for this connection. A recorded signature is of another nonce. */
function isNonceSigned(publicKey: string, { nonce, signature }: Asking): boolean {
  if (nonce === '' || !SIGNATURE.test(signature)) return false
  try {
    const bytes = Buffer.from(signature, 'base64') // reads both alphabets
    return verify(null, Buffer.from(nonce), ed25519PublicKey(publicKey), bytes)
  } catch {
    return false // 32 bytes that are no point of the curve
  }
}
