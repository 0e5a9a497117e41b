// A coordinator's certificate: the operator, or `fedsam run`, states that this key belongs to the coordinator with this epoch of
// this run. Clients know the certifier's public key before any coordinator starts, and believe no other. Pure.
import * as v from 'valibot'
import { isSignedBy, PublicKey, SIGNED, Signature, type SigningKey } from './signatures.ts'

export const CertificateSchema = v.object({
  uid: v.pipe(v.string(), v.maxLength(128)),
  namespace: v.pipe(v.string(), v.maxLength(63)),
  name: v.pipe(v.string(), v.maxLength(253)),
  epoch: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** The coordinator's public key. */
  key: PublicKey,
  /** The certifier's. */
  signature: Signature,
})

export type CoordinatorCertificate = v.InferOutput<typeof CertificateSchema>

/** What a certificate states. */
export type Certified = Omit<CoordinatorCertificate, 'signature'>

/** The certificate in foreign data; undefined for any other data. It is not verified. */
export function readCertificate(value: unknown): CoordinatorCertificate | undefined {
  const read = v.safeParse(CertificateSchema, value)
  return read.success ? read.output : undefined
}

/** Why a certificate is not believed. */
export type CertificateFault =
  | 'OtherRun' // it belongs to a run with another uid
  | 'NotCertified' // no trusted key signed exactly this

/** Signs a certificate. Throws TypeError for an epoch or a key that no certificate can have. */
export function certify(
  certifier: SigningKey,
  { uid, namespace, name, epoch, key }: Certified,
): CoordinatorCertificate {
  const certified = { uid, namespace, name, epoch, key }
  const signature = certifier.sign(SIGNED.coordinatorKey, partsOf(certified))
  const certificate = { ...certified, signature }
  if (!v.is(CertificateSchema, certificate))
    throw new TypeError(`no certificate can state ${JSON.stringify(certified)}`)
  return certificate
}

/**
 * Why the certificate is not one of this run by one of the trusted keys; undefined where it is. `trust`: public keys.
 */
export function certificateFault(
  certificate: CoordinatorCertificate,
  run: { readonly uid: string; readonly trust: readonly string[] },
): CertificateFault | undefined {
  if (certificate.uid !== run.uid) return 'OtherRun'
  const parts = partsOf(certificate)
  const trusted = run.trust.some((key) =>
    isSignedBy(key, certificate.signature, SIGNED.coordinatorKey, parts),
  )
  return trusted ? undefined : 'NotCertified'
}

/**
 * The same check, which remembers the last certificate that it believed: a coordinator puts the same one in front of every answer.
 * It compares the run first, whatever it remembers, so one memory never vouches for a certificate of another run.
 */
export function certificateCheck(run: {
  readonly uid: string
  readonly trust: readonly string[]
}): (certificate: CoordinatorCertificate) => CertificateFault | undefined {
  let believed: CoordinatorCertificate | undefined
  return (certificate) => {
    if (certificate.uid !== run.uid) return 'OtherRun'
    if (believed !== undefined && isSame(believed, certificate)) return undefined
    const fault = certificateFault(certificate, run)
    if (fault === undefined) believed = certificate
    return fault
  }
}

/** Whether two certificates agree in every field. */
export function isSame(one: CoordinatorCertificate, other: CoordinatorCertificate): boolean {
  const fields = Object.keys(CertificateSchema.entries) as (keyof CoordinatorCertificate)[]
  return fields.every((field) => one[field] === other[field])
}

function partsOf({ uid, namespace, name, epoch, key }: Certified): readonly (string | number)[] {
  return [uid, namespace, name, epoch, key]
}
