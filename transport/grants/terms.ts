// Checks a body against the terms of its write grant, for the schemes without a server that does so.

import { sha256 } from '#protocol/digest.ts'
import { GrantRefused, type WriteTerms } from '../ports.ts'

/** Throws GrantRefused unless the body has exactly the granted size and digest. */
export function holdToTerms(key: string, terms: WriteTerms, body: Uint8Array, digest = sha256(body)): void {
  if (body.byteLength !== terms.size) {
    throw new GrantRefused(`${key}: ${body.byteLength} bytes were sent, ${terms.size} are granted`)
  }
  if (digest !== terms.sha256) throw new GrantRefused(`${key}: other bytes were sent than are granted`)
}
