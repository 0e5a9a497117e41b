// Who signed the certificate that a connection refused: an untrusted certificate is an error without its issuer, and the issuer says whether a
// device of the site's own network opens TLS. Guarantees: nothing is sent over such a connection.
import { type EntryOptions, openEntry } from './check.ts'
import { StepFailed } from './step.ts'

/** Errors of certificates, by Node's names. */
const CODES = /^(UNABLE_TO_|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|ERR_TLS_CERT_ALTNAME_INVALID)/
/** Causes of an error that are searched. */
const MOST_CAUSES = 8

/** Whether this error, or one of its causes, says that a certificate is not trusted. */
export function isAboutCertificate(error: unknown): boolean {
  let one = error
  for (let depth = 0; one instanceof Error && depth < MOST_CAUSES; depth += 1) {
    const { code } = one as { readonly code?: unknown }
    if (typeof code === 'string' && CODES.test(code)) return true
    one = one.cause
  }
  return false
}

/** Why the certificate of this address is not trusted, with its issuer; undefined where it is, or where no certificate comes. */
export async function untrustedCertificate(
  url: URL,
  way: Omit<EntryOptions, 'url'>,
): Promise<StepFailed | undefined> {
  try {
    const socket = await openEntry(url, way, () => {})
    socket.destroy()
    return undefined
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    return error.fault === 'CertificateUntrusted' ? error : undefined
  }
}
