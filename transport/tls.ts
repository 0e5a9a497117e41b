// Faults of TLS that every client treats alike. It refuses an address without TLS, for jobs that do not allow it: the schema checks the
// addresses in a spec, and this checks those that a Secret, a profile or a redirect names, at each request. And it knows the errors of
// a certificate that this process does not trust.
import { FedsamError } from '#protocol/errors.ts'

/** Throws FedsamError StorageUnreachable where the URL is not https:. */
export function checkTls({ protocol, host }: URL): void {
  if (protocol === 'https:') return
  throw new FedsamError(
    'StorageUnreachable',
    `${protocol}//${host} has no TLS, and the job does not allow that`,
    {
      remedy: 'use an https:// address; or create the job with allowInsecure: true',
    },
  )
}

/** Whether this error of a connection says that nobody known has signed the certificate. */
export function isUntrusted(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as { readonly code?: string }
  return /^(UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/.test(
    code,
  )
}

/** The remedy for such an error; `field` is the job's field that names the authority for pods. */
export function authorityRemedy(field: string): string {
  return `name the authority that signed the server's certificate: for pods in spec.${field}, on this machine in NODE_EXTRA_CA_CERTS`
}
