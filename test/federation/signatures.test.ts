// The signatures of an output: one chain from a certifier's public key to every byte. An attacker who rewrites a whole record lacks the
// keys, and `verify --trust` and `export --trust` find it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { checkRecord } from '#cli/run/checked-record.ts'
import { writeSignature } from '#coordinator/record/output-signatures.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { certify } from '#protocol/certificate.ts'
import { sha256 } from '#protocol/digest.ts'
import { MANIFEST_KEY, outputKey, RUN_KEY, signatureFiles } from '#protocol/keys.ts'
import { type OutputSignature, type OutputSigner, signOutput } from '#protocol/output-signature.ts'
import { signingKeyOf } from '#protocol/signatures.ts'
import { TRUST } from '../given/signed.ts'
import {
  changed,
  finishedRecord,
  markerOf,
  type Objects,
  rechain,
  replaceModel,
  storeOf,
} from './tampered.ts'

const keyOf = (byte: number) => signingKeyOf(new Uint8Array(32).fill(byte))
const OPERATOR = keyOf(1)
const STRANGER = keyOf(2)
const FILES = signatureFiles(1)
const KEY = outputKey(FILES.signature)

/** A coordinator of the run in the record, with a key of its own. */
function signerOf(objects: Objects, certifier = OPERATOR, epoch = 1): OutputSigner {
  const { uid, name } = markerOf(objects, 'run', RUN_KEY)
  const key = keyOf(100 + epoch)
  return {
    key,
    certificate: certify(certifier, { uid, name, namespace: 'test', epoch, key: key.publicKey }),
  }
}

async function signed(objects: Objects, signer: OutputSigner): Promise<Objects> {
  const store = await storeOf(objects)
  const { uid } = markerOf(objects, 'run', RUN_KEY)
  await writeSignature(store, signer, { uid, bytes: objects.get(MANIFEST_KEY)! })
  const found = new Map(objects)
  for (const file of Object.values(signatureFiles(signer.certificate.epoch)))
    found.set(outputKey(file), (await store.get(outputKey(file)))!)
  return found
}

let sound: Objects
/** Of a run with another uid; and of a run under the same uid, which nobody has signed. */
let other: Objects
let rewritten: Objects
before(async () => {
  const unsigned = (objects: Objects): Objects =>
    new Map([...objects].filter(([key]) => !key.startsWith(outputKey('signatures/'))))
  const one = unsigned(await finishedRecord())
  const two = unsigned(await finishedRecord({ fixed: { uid: 'another' } }))
  rewritten = unsigned(await finishedRecord({ fixed: { seed: 8 } }))
  sound = await signed(one, signerOf(one))
  other = await signed(two, signerOf(two))
})

const found = async (objects: Objects, trust: readonly string[] = []) =>
  verifyRecord(await storeOf(objects), { trust: { keys: trust } })
const problemsOf = async (objects: Objects, trust: readonly string[] = []): Promise<string> =>
  (await found(objects, trust)).problems.join('\n')

const NOBODY = 'no signature of the output has a certificate by a key of --trust'

describe('a signed output', () => {
  test('is sound with the key of its certifier, and names the epoch that signed it', async () => {
    const { problems, signed: epochs } = await found(sound, [STRANGER.publicKey, OPERATOR.publicKey])
    assert.deepEqual({ problems, epochs }, { problems: [], epochs: [1] })
  })

  test('is not vouched for by another certifier', async () => {
    assert.equal(await problemsOf(sound, [STRANGER.publicKey]), NOBODY)
    assert.equal(await problemsOf(sound, []), '')
  })

  test('of two coordinators is sound where one signature is certified', async () => {
    const objects = await signed(sound, signerOf(sound, STRANGER, 2))
    const claim = markerOf(objects, 'epoch', 'coordinators/1.json')
    objects.set('coordinators/2.json', encodeJson({ ...claim, epoch: 2 }))
    const { problems, signed: epochs } = await found(objects, [OPERATOR.publicKey])
    assert.deepEqual({ problems, epochs }, { problems: [], epochs: [1, 2] })
  })

  test('has the certificate in the status of its job, or is another', async () => {
    const store = await storeOf(sound)
    const check = async (certificate: OutputSigner['certificate']) =>
      (await verifyRecord(store, { trust: { keys: [], reported: certificate } })).problems.join()
    assert.equal(await check(signerOf(sound).certificate), '')
    assert.match(
      await check(signerOf(sound, OPERATOR, 2).certificate),
      /is by the coordinator in the job's status/,
    )
  })
})

const signature = (objects: Objects, change: (signature: OutputSignature) => object): void =>
  changed(objects, 'signature', KEY, change)

const tamperings: readonly [what: string, tamper: (objects: Objects) => void, says: RegExp][] = [
  ['no signature', (o) => o.delete(KEY), /^the output has no signature$/],
  [
    'a signature of the other run',
    (o) => o.set(KEY, other.get(KEY)!),
    /has the certificate of another run$/m,
  ],
  [
    'a signature under another epoch',
    (o) => signature(o, (had) => ({ ...had, epoch: 2 })),
    /names another epoch than its key$/m,
  ],
  [
    'a certificate of another epoch',
    (o) => signature(o, (had) => ({ ...had, certificate: { ...had.certificate, epoch: 2 } })),
    /names another epoch than its key$/m,
  ],
  [
    'a signature of another manifest',
    (o) => signature(o, (had) => ({ ...had, manifest: '0'.repeat(64) })),
    /signs another output\/manifest\.json, or another chain$/m,
  ],
  [
    'a signature of another chain',
    (o) => signature(o, (had) => ({ ...had, head: '0'.repeat(64) })),
    /signs another output\/manifest\.json, or another chain$/m,
  ],
  [
    'another key in the certificate',
    (o) => signature(o, (had) => ({ ...had, certificate: { ...had.certificate, key: STRANGER.publicKey } })),
    /is not a signature by the key in its certificate$/m,
  ],
  [
    'one changed digit in the signature',
    (o) =>
      signature(o, (had) => ({
        ...had,
        signature: had.signature.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      })),
    /is not a signature by the key in its certificate$/m,
  ],
  ['another bundle', (o) => o.set(outputKey(FILES.bundle), encodeJson({})), /names another bundle/],
  ['no bundle', (o) => o.delete(outputKey(FILES.bundle)), /names another bundle/],
  [
    'the public key of the other run',
    (o) => o.set(outputKey(FILES.publicKey), other.get(outputKey(FILES.publicKey))!),
    /names another bundle or public key/,
  ],
  ['a signature that is no JSON', (o) => o.set(KEY, new Uint8Array([1])), /signatures\/1\.json is not JSON/],
  [
    'a file too many beside the signature',
    (o) => o.set(outputKey('signatures/x.py'), new Uint8Array([1])),
    /^output\/signatures\/x\.py is not a file of this output: remove it$/m,
  ],
]

describe('an output', () => {
  for (const [what, tamper, says] of tamperings) {
    test(`with ${what} is found`, async () => {
      const objects = new Map(sound)
      tamper(objects)
      assert.match(await problemsOf(objects, [OPERATOR.publicKey]), says)
    })
  }

  test('of a record that was rewritten as a whole is found with --trust alone', async () => {
    assert.equal(await problemsOf(rewritten), '')
    assert.equal(await problemsOf(rewritten, [OPERATOR.publicKey]), 'the output has no signature')
    const forged = await signed(rewritten, signerOf(rewritten, STRANGER))
    assert.equal(await problemsOf(forged), '')
    assert.equal(await problemsOf(forged, [OPERATOR.publicKey]), NOBODY)
    const kept = new Map(rewritten)
    for (const file of Object.values(FILES)) kept.set(outputKey(file), sound.get(outputKey(file))!)
    assert.match(await problemsOf(kept, [OPERATOR.publicKey]), /signs another output\/manifest\.json/)
  })

  test('whose bundle for other tools names other files is found, although its coordinator signed it', async () => {
    const objects = new Map(sound)
    const [bundle, pem] = [FILES.bundle, FILES.publicKey].map((file) => other.get(outputKey(file))!)
    objects.set(outputKey(FILES.bundle), bundle!).set(outputKey(FILES.publicKey), pem!)
    const { uid } = markerOf(objects, 'run', RUN_KEY)
    const manifest = markerOf(objects, 'manifest', MANIFEST_KEY)
    const output = { uid, manifest, manifestDigest: sha256(objects.get(MANIFEST_KEY)!) }
    const files = { bundle: bundle!, pem: new TextDecoder().decode(pem) }
    objects.set(KEY, encodeJson(signOutput(signerOf(objects), output, files)))
    assert.match(await problemsOf(objects, [OPERATOR.publicKey]), /or the bundle signs another output$/m)
  })

  test('without a manifest is vouched for by nobody', async () => {
    const objects = new Map(sound)
    objects.delete(MANIFEST_KEY)
    const anchors = { trust: [OPERATOR.publicKey] }
    const { problems } = await checkRecord(await storeOf(objects), { anchors, reported: {} })
    assert.match(problems.join(), /the output is not complete, so no key of --trust vouches for it/)
  })

  test('of a federation is signed by its coordinator', async () => {
    const objects = await finishedRecord()
    assert.equal(await problemsOf(objects, TRUST), '')
    assert.equal(await problemsOf(objects, [STRANGER.publicKey]), NOBODY)
  })

  test('whose model the coordinator replaced is found, although it signed it', async () => {
    const objects = new Map(sound)
    replaceModel(objects, 3, objects.get('rounds/2/1/model.safetensors')!)
    await rechain(objects)
    const resigned = await signed(objects, signerOf(objects))
    assert.match(await problemsOf(resigned, [OPERATOR.publicKey]), /not what the round's updates give/)
  })
})
