// The body that a site's check sends through the network as an update travels: so that a proxy which lets no PUT or no large body
// through is found before a round. It has the same bytes everywhere, so that nothing of a site is in it, and nobody else can store
// anything under its name. Pure.
import { createHash } from 'node:crypto'

/** Its size and digest: a coordinator grants no other body. */
export const PROBE = {
  /** Bytes: above 1 MiB, the bound of many proxies and of an ingress that nobody tuned. */
  size: 1536 * 1024,
  sha256: '8b1110d20835718fa4739e7abb0fca8a44d103d7131d70a106f8adabdcdc7c7d',
} as const

/** Bytes of a digest. */
const STEP = 32

/** The body: each digest is that of the one before, so no proxy can compress it. */
export function probeBody(): Uint8Array {
  const body = new Uint8Array(PROBE.size)
  let last: Uint8Array = new TextEncoder().encode('fedsam probe')
  for (let at = 0; at < body.length; at += STEP) {
    last = createHash('sha256').update(last).digest()
    body.set(last, at)
  }
  return body
}
