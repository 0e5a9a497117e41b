// The bundle that other tools read: the statement names each file, and the signature covers type and payload as DSSE says. Checked
// here from the format's text, without the code that writes it.
import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { bundleOf, isBundleOf, statementOf } from './model-signing.ts'
import type { Manifest } from './record.ts'

const digest = (letter: string): string => letter.repeat(64)
const manifest: Manifest = {
  schema: 'fedsam.manifest/1',
  ...{ name: 'toy', round: 3, rounds: 3, result: digest('1'), head: digest('2'), evaluation: null },
  files: [
    { name: 'model.safetensors', size: 1, sha256: digest('a') },
    { name: 'README.md', size: 1, sha256: digest('b') },
    { name: 'checkpoint/model.safetensors', size: 1, sha256: digest('c') },
  ],
}
const statement = statementOf({ manifest, manifestDigest: digest('d'), uid: 'u' })
const pair = (namedCurve = 'P-256') => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  return { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }
}
const { privateKey, pem } = pair()
const bundle = bundleOf(statement, privateKey, pem)
const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes))

test('the statement names every file and the manifest, by name, and a digest of their digests', () => {
  const { _type, predicateType, subject, predicate } = parse(statement)
  assert.equal(_type, 'https://in-toto.io/Statement/v1')
  assert.equal(predicateType, 'https://model_signing/signature/v1.0')
  assert.deepEqual(
    predicate.resources.map((one: { name: string; digest: string }) => [one.name, one.digest]),
    [
      ['README.md', digest('b')],
      ['checkpoint/model.safetensors', digest('c')],
      ['manifest.json', digest('d')],
      ['model.safetensors', digest('a')],
    ],
  )
  const root = createHash('sha256')
  for (const letter of 'bcda') root.update(Buffer.from(digest(letter), 'hex'))
  assert.deepEqual(subject, [{ name: 'toy', digest: { sha256: root.digest('hex') } }])
})

test('the signature in the bundle covers the type and the payload', () => {
  const { mediaType, verificationMaterial, dsseEnvelope } = parse(bundle)
  assert.equal(mediaType, 'application/vnd.dev.sigstore.bundle.v0.3+json')
  assert.equal(verificationMaterial.publicKey.hint, createHash('sha256').update(pem).digest('hex'))
  const payload = Buffer.from(dsseEnvelope.payload, 'base64')
  assert.deepEqual(new Uint8Array(payload), statement)
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${payload.length} `),
    payload,
  ])
  const [{ sig }] = dsseEnvelope.signatures
  assert.ok(verify('sha256', signed, createPublicKey(pem), Buffer.from(sig, 'base64')))
})

test('a bundle is one of this statement and this key alone', () => {
  assert.ok(isBundleOf(statement, bundle, pem))
  const another = statementOf({ manifest, manifestDigest: digest('e'), uid: 'u' })
  assert.ok(!isBundleOf(another, bundle, pem))
  assert.ok(!isBundleOf(statement, bundle, pair().pem))
  const other = pair('P-384')
  assert.ok(!isBundleOf(statement, bundleOf(statement, other.privateKey, other.pem), other.pem))
  const { dsseEnvelope, ...rest } = parse(bundle)
  const forms = [
    {},
    { ...rest, dsseEnvelope: { ...dsseEnvelope, signatures: [] } },
    { ...rest, dsseEnvelope: { ...dsseEnvelope, payload: Buffer.from(another).toString('base64') } },
    { ...rest, dsseEnvelope: { ...dsseEnvelope, payloadType: 'text/plain' } },
  ]
  for (const form of forms) assert.ok(!isBundleOf(statement, Buffer.from(JSON.stringify(form)), pem))
  for (const junk of [new Uint8Array(), Buffer.from('[')]) assert.ok(!isBundleOf(statement, junk, pem))
  assert.ok(!isBundleOf(statement, bundle, 'not a key'))
})
