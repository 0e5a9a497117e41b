// The signature of an output as the OpenSSF's tool `model_signing` reads it: an in-toto statement that names every file by its digest,
// in a DSSE envelope, in a Sigstore bundle with a public key. The tool knows elliptic curves P-256 to P-521 alone, so the key is not
// the coordinator's Ed25519 key (output-signature.ts connects the two). Pure: the caller brings the key.
// Formats: https://github.com/sigstore/model-transparency/blob/main/docs/model_signing_format.md
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import * as v from 'valibot'
import { decodeJson, encodeJson, isSameBytes } from './canonical.ts'
import { sha256 } from './digest.ts'
import { SIGNATURE_FOLDER } from './keys.ts'

const PAYLOAD_TYPE = 'application/vnd.in-toto+json'
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0'

/** What the statement takes from a manifest. */
interface NamedFiles {
  readonly name: string
  readonly round: number
  readonly result: string
  readonly head: string
  readonly files: readonly { readonly name: string; readonly sha256: string }[]
}

/** What the statement names: the files of the manifest, and the manifest itself by the digest of its bytes. */
export interface SignedOutput {
  readonly manifest: NamedFiles
  readonly manifestDigest: string
  readonly uid: string
}

/** The statement's bytes. Verifiers ignore the predicate's field `fedsam`: it says to which record the model belongs. */
export function statementOf({ manifest, manifestDigest, uid }: SignedOutput): Uint8Array {
  const files = [...manifest.files, { name: 'manifest.json', sha256: manifestDigest }]
  const resources = files
    .map(({ name, sha256: digest }) => ({ name, algorithm: 'sha256', digest }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const root = createHash('sha256')
  for (const { digest } of resources) root.update(Buffer.from(digest, 'hex'))
  const { name, round, head, result } = manifest
  return encodeJson({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name, digest: { sha256: root.digest('hex') } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: [SIGNATURE_FOLDER],
      },
      resources,
      fedsam: { uid, name, round, result, head },
    },
  })
}

/** What DSSE signs: type and payload, each with its length before it. */
function preAuthentication(payload: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `),
    payload,
  ])
}

/** The bundle's bytes. `key`: a private key of the curve P-256. `pem`: its public half, whose digest is the key's hint. */
export function bundleOf(statement: Uint8Array, key: KeyObject, pem: string): Uint8Array {
  const signature = sign('sha256', preAuthentication(statement), key)
  return encodeJson({
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint: hintOf(pem) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(statement).toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
    },
  })
}

function hintOf(pem: string): string {
  return sha256(Buffer.from(pem))
}

const Bundle = v.object({
  mediaType: v.literal(BUNDLE_TYPE),
  verificationMaterial: v.object({
    publicKey: v.object({ hint: v.string() }),
    tlogEntries: v.pipe(v.array(v.unknown()), v.length(0)),
  }),
  dsseEnvelope: v.object({
    payload: v.string(),
    payloadType: v.literal(PAYLOAD_TYPE),
    signatures: v.pipe(v.array(v.object({ sig: v.string(), keyid: v.string() })), v.length(1)),
  }),
})

/** Whether the bundle signs exactly this statement with the private half of this key. False for anything of another form. */
export function isBundleOf(statement: Uint8Array, bundle: Uint8Array, pem: string): boolean {
  try {
    const parsed = v.safeParse(Bundle, decodeJson(bundle))
    if (!parsed.success) return false
    const { verificationMaterial, dsseEnvelope } = parsed.output
    const payload = Buffer.from(dsseEnvelope.payload, 'base64')
    const key = createPublicKey(pem)
    return (
      verificationMaterial.publicKey.hint === hintOf(pem) &&
      key.asymmetricKeyDetails?.namedCurve === 'prime256v1' &&
      isSameBytes(payload, statement) &&
      verify(
        'sha256',
        preAuthentication(payload),
        key,
        Buffer.from(dsseEnvelope.signatures[0]!.sig, 'base64'),
      )
    )
  } catch {
    return false
  }
}
