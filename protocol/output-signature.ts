// Who made an output: the coordinator's key signs the manifest, the end of the chain, and the key of the bundle for `model_signing`.
// The certificate beside it says whose key that is. So one chain goes from the certifier's public key to every byte of the output.
// Pure.
import * as v from 'valibot'
import { CertificateSchema, type CoordinatorCertificate, certificateFault } from './certificate.ts'
import { sha256 } from './digest.ts'
import { isBundleOf, type SignedOutput, statementOf } from './model-signing.ts'
import { isSignedBy, SIGNED, Signature, type SignedPart, type SigningKey } from './signatures.ts'
import { Digest } from './values.ts'

/** A coordinator's signature of the output, and the certificate of its key. */
export const OutputSignatureSchema = v.object({
  schema: v.literal('fedsam.signature/1'),
  epoch: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  certificate: CertificateSchema,
  /** Digests of the manifest, and of the last result of the chain. */
  manifest: Digest,
  head: Digest,
  /** Digests of the bundle for `model_signing` and of its public key, beside this file. */
  bundle: Digest,
  publicKey: Digest,
  /** By the key in the certificate. */
  signature: Signature,
})

export type OutputSignature = v.InferOutput<typeof OutputSignatureSchema>

/** A coordinator that signs: its key, and the certificate of the key. */
export interface OutputSigner {
  readonly key: SigningKey
  readonly certificate: CoordinatorCertificate
}

/** The bundle for `model_signing`, and the public key that it needs. */
export interface BundleFiles {
  readonly bundle: Uint8Array
  readonly pem: string
}

/** The signature of an output by this coordinator. */
export function signOutput(
  { key, certificate }: OutputSigner,
  output: SignedOutput,
  { bundle, pem }: BundleFiles,
): OutputSignature {
  const signed = {
    schema: 'fedsam.signature/1',
    epoch: certificate.epoch,
    certificate,
    manifest: output.manifestDigest,
    head: output.manifest.head,
    bundle: sha256(bundle),
    publicKey: sha256(Buffer.from(pem)),
  } as const
  return { ...signed, signature: key.sign(SIGNED.output, partsOf(signed)) }
}

/** Why a signature says nothing about this output. */
export type SignatureFault =
  | 'OtherEpoch' // the key of its object, the certificate and the signature name different epochs
  | 'OtherRun' // the certificate belongs to a run with another uid
  | 'OtherOutput' // it signs another manifest, or the end of another chain
  | 'OtherBundle' // the bundle or its public key has other bytes, or does not sign this output
  | 'NotSigned' // the key in the certificate did not sign it

/** Why the signature of this epoch is not one of this output; undefined where it is. Says nothing about the certifier. */
export function signatureFault(
  signature: OutputSignature,
  epoch: number,
  output: SignedOutput,
  files: BundleFiles | undefined,
): SignatureFault | undefined {
  const { certificate, manifest, head, bundle, publicKey } = signature
  if (signature.epoch !== epoch || certificate.epoch !== epoch) return 'OtherEpoch'
  if (certificate.uid !== output.uid) return 'OtherRun'
  if (manifest !== output.manifestDigest || head !== output.manifest.head) return 'OtherOutput'
  if (!isSignedBy(certificate.key, signature.signature, SIGNED.output, partsOf(signature))) return 'NotSigned'
  const isSame =
    files !== undefined &&
    sha256(files.bundle) === bundle &&
    sha256(Buffer.from(files.pem)) === publicKey &&
    isBundleOf(statementOf(output), files.bundle, files.pem)
  return isSame ? undefined : 'OtherBundle'
}

/** Whether a trusted certifier vouches for the key that signed. `trust`: public keys. */
export function isCertified(
  { certificate }: OutputSignature,
  uid: string,
  trust: readonly string[],
): boolean {
  return certificateFault(certificate, { uid, trust }) === undefined
}

function partsOf({
  certificate: { uid, epoch },
  manifest,
  head,
  bundle,
  publicKey,
}: Omit<OutputSignature, 'signature'>): readonly SignedPart[] {
  return [uid, epoch, manifest, head, bundle, publicKey]
}
