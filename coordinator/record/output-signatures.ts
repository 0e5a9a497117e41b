// Writes and verifies the signatures of the output: one for each coordinator that wrote it, under its epoch. A signature names the
// manifest by digest, and the manifest names every file. The private keys exist in the coordinator's memory only.
import { generateKeyPairSync } from 'node:crypto'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { epochKey, MANIFEST_KEY, outputKey, signatureFiles } from '#protocol/keys.ts'
import { bundleOf, type SignedOutput, statementOf } from '#protocol/model-signing.ts'
import {
  type BundleFiles,
  isCertified,
  type OutputSignature,
  type OutputSigner,
  type SignatureFault,
  signatureFault,
  signOutput,
} from '#protocol/output-signature.ts'
import { readMarker } from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import { readRecord } from './markers.ts'

/** Signs the manifest of these bytes. The signature is the last of its three objects. */
export async function writeSignature(
  store: ObjectStore,
  signer: OutputSigner,
  { uid, bytes }: { readonly uid: string; readonly bytes: Uint8Array },
): Promise<void> {
  const files = signatureFiles(signer.certificate.epoch)
  const manifest = readMarker('manifest', MANIFEST_KEY, bytes)
  const output: SignedOutput = { uid, manifest, manifestDigest: sha256(bytes) }
  // Another key than the coordinator's own: the tool that reads the bundle does not know Ed25519.
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const bundle = bundleOf(statementOf(output), privateKey, pem)
  await store.put(outputKey(files.bundle), bundle)
  await store.put(outputKey(files.publicKey), new TextEncoder().encode(pem))
  await store.put(outputKey(files.signature), encodeJson(signOutput(signer, output, { bundle, pem })))
}

/** Keys that a user or the job's status trusts. */
export interface Trust {
  /** Public keys of certifiers. */
  readonly keys: readonly string[]
  /** The coordinator's key in the job's status; undefined where the status has no key, or the job has not ended. */
  readonly reported?: { readonly epoch: number; readonly key: string } | undefined
}

/** A sentence on a record that contradicts what the caller knows from another source, and which source that is. */
export interface Contradiction {
  readonly source: 'Head' | 'Trust' | 'Roster' | 'Status' | 'End'
  readonly sentence: string
}

/** A source, whether the record contradicts it, and the sentence on that. */
export type Suspicion = readonly [source: Contradiction['source'], isContradicted: boolean, sentence: string]

/** The suspicions that are true. */
export function contradictionsAmong(suspicions: readonly Suspicion[]): Contradiction[] {
  return suspicions.flatMap(([source, isContradicted, sentence]) =>
    isContradicted ? [{ source, sentence }] : [],
  )
}

/** What the signatures say. */
export interface SignatureFindings {
  /** Epochs whose coordinators signed the output. */
  readonly signed: readonly number[]
  /** Keys of the signatures' objects, which belong to the output. */
  readonly names: readonly string[]
  readonly problems: readonly string[]
  readonly contradictions: readonly Contradiction[]
}

/** Coordinators of one run whose signatures are searched for: far more than a run has. */
const MOST_EPOCHS = 10_000

const SAYS: { readonly [Fault in SignatureFault]: string } = {
  OtherEpoch: 'names another epoch than its key',
  OtherRun: 'has the certificate of another run',
  OtherOutput: `signs another ${MANIFEST_KEY}, or another chain`,
  OtherBundle:
    'names another bundle or public key than the files beside it, or the bundle signs another output',
  NotSigned: 'is not a signature by the key in its certificate',
}

/** Verifies every signature of the output. Throws RecordDamaged. */
export async function verifySignatures(
  store: StoreReader,
  output: SignedOutput,
  trust: Trust,
): Promise<SignatureFindings> {
  const sound: OutputSignature[] = []
  const names: string[] = []
  const problems: string[] = []
  // Epochs have no gaps. A signature is beside the claim of its epoch.
  for (let epoch = 1; epoch <= MOST_EPOCHS; epoch += 1) {
    if ((await store.size(epochKey(epoch))) === undefined) break
    const files = signatureFiles(epoch)
    const key = outputKey(files.signature)
    const found = await readRecord(store, 'signature', key)
    const beside = await readBundle(store, files)
    // A coordinator that was killed may have written a bundle without its signature.
    names.push(...Object.values(files).map(outputKey))
    if (found === undefined) continue
    const fault = signatureFault(found.value, epoch, output, beside)
    if (fault === undefined) sound.push(found.value)
    else problems.push(`${key} ${SAYS[fault]}`)
  }
  const contradictions = contradictionsOf(sound, output.uid, trust)
  return { signed: sound.map(({ epoch }) => epoch), names, problems, contradictions }
}

function contradictionsOf(
  sound: readonly OutputSignature[],
  uid: string,
  { keys, reported }: Trust,
): Contradiction[] {
  const said = (otherwise: string): string => (sound.length === 0 ? 'the output has no signature' : otherwise)
  const certified = sound.some((signature) => isCertified(signature, uid, keys))
  const isReported =
    reported === undefined ||
    sound.some(({ certificate: { epoch, key } }) => epoch === reported.epoch && key === reported.key)
  return contradictionsAmong([
    [
      'Trust',
      keys.length > 0 && !certified,
      said('no signature of the output has a certificate by a key of --trust'),
    ],
    ['Status', !isReported, said("no signature of the output is by the coordinator in the job's status")],
  ])
}

/** Bytes of a bundle or a public key at most: a name and a digest for each file of an output, in base64. */
const MOST_BYTES = 4 * 1024 * 1024

async function readBundle(
  store: StoreReader,
  { bundle, publicKey }: ReturnType<typeof signatureFiles>,
): Promise<BundleFiles | undefined> {
  const [bytes, pem] = [await small(store, outputKey(bundle)), await small(store, outputKey(publicKey))]
  return bytes && pem && { bundle: bytes, pem: new TextDecoder().decode(pem) }
}

async function small(store: StoreReader, key: string): Promise<Uint8Array | undefined> {
  const size = await store.size(key)
  return size === undefined || size > MOST_BYTES ? undefined : store.get(key)
}
