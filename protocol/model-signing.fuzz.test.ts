// Foreign bytes as the bundle of an output, or as the public key beside it: a bundle of another form signs nothing, and none throws.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { bundleOf, isBundleOf } from './model-signing.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString()
const STATEMENT = new TextEncoder().encode('{"_type":"https://in-toto.io/Statement/v1"}')
const BUNDLE = bundleOf(STATEMENT, privateKey, PEM)
assert.ok(isBundleOf(STATEMENT, BUNDLE, PEM))

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** The bundle with one byte replaced, or cut off; or other bytes. */
const bundles = fc.oneof(
  fc
    .tuple(fc.nat(BUNDLE.length - 1), fc.integer({ min: 1, max: 255 }))
    .map(([at, bits]) => BUNDLE.with(at, BUNDLE[at]! ^ bits)),
  fc.nat(BUNDLE.length - 1).map((length) => BUNDLE.slice(0, length)),
  fc.json().map(text),
  fc.uint8Array({ maxLength: 2000 }),
)

/** The public key with one letter replaced, or any text. */
const keys = fc.oneof(
  fc
    .tuple(fc.nat(PEM.length - 1), fc.string({ minLength: 1, maxLength: 1 }))
    .map(([at, letter]) => PEM.slice(0, at) + letter + PEM.slice(at + 1)),
  fc.string({ maxLength: 500 }),
)

const MANY = 100_000

fuzz('the bundle of an output and its public key', {
  input: fc.oneof(
    fc.record({ bundle: bundles, pem: fc.constant(PEM) }),
    fc.record({ bundle: fc.constant(BUNDLE), pem: keys }),
    fc.record({ bundle: bundles, pem: keys }),
  ),
  read: ({ bundle, pem }) => {
    if (!isBundleOf(STATEMENT, bundle, pem)) return
    // A letter that counts for nothing, such as the last one of a base64 text, leaves it the bundle of this statement alone.
    assert.ok(!isBundleOf(STATEMENT.with(0, 0), bundle, pem))
  },
  errors: [],
  examples: [
    { bundle: text('['.repeat(MANY)), pem: PEM },
    { bundle: text(`{"dsseEnvelope":${'{"a":'.repeat(MANY)}`), pem: PEM },
    { bundle: BUNDLE, pem: `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(MANY)}\n-----END PUBLIC KEY-----\n` },
    { bundle: BUNDLE, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
  ],
})
