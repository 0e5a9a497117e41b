// Signatures: who can be believed, and every change of a signed statement that must not be.
import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  isSignedBy,
  SIGNED,
  type SignedPart,
  type SignedTag,
  signedBytes,
  signingKeyOf,
} from './signatures.ts'

const keyOf = (byte: number) => signingKeyOf(new Uint8Array(32).fill(byte))
const TAGS = Object.values(SIGNED)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('a seed gives the key of RFC 8032, section 7.1, test 1', () => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
  const key = signingKeyOf(seed)
  assert.equal(key.publicKey, 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  assert.throws(() => signingKeyOf(seed.subarray(1)), RangeError)
})

test('a signature is plain Ed25519 over the signed bytes, so that other tools can verify it', () => {
  const key = keyOf(1)
  const x = Buffer.from(key.publicKey, 'hex').toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const signature = Buffer.from(key.sign(SIGNED.answer, ['a', 7]), 'hex')
  assert.ok(verify(null, signedBytes(SIGNED.answer, ['a', 7]), publicKey, signature))
})

const part: fc.Arbitrary<SignedPart> = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.nat(),
  fc.uint8Array({ maxLength: 8 }),
)
const statement = fc.tuple(fc.constantFrom(...TAGS), fc.array(part, { maxLength: 4 }))
const textOf = (value: SignedPart): string =>
  value instanceof Uint8Array ? hex(value) : hex(Buffer.from(String(value)))
const same = ([tag, parts]: [SignedTag, SignedPart[]]): string => JSON.stringify([tag, parts.map(textOf)])

test('two statements have the same bytes only where tag and parts agree', () => {
  fc.assert(
    fc.property(statement, statement, (one, other) => {
      assert.equal(hex(signedBytes(...one)) === hex(signedBytes(...other)), same(one) === same(other))
    }),
    { numRuns: 2000 },
  )
  assert.notEqual(hex(signedBytes(SIGNED.answer, ['ab', 'c'])), hex(signedBytes(SIGNED.answer, ['a', 'bc'])))
  assert.notEqual(hex(signedBytes(SIGNED.answer, ['a', ''])), hex(signedBytes(SIGNED.answer, ['a'])))
})

test('one part that holds the bytes of two others is another statement', () => {
  const two = signedBytes(SIGNED.answer, ['a', 'b'])
  const one = two.subarray(signedBytes(SIGNED.answer, []).length + 8)
  assert.notEqual(hex(signedBytes(SIGNED.answer, [one])), hex(two))
})

describe('isSignedBy', () => {
  test('believes exactly the key and the statement that were signed', () => {
    const [mine, other] = [keyOf(1), keyOf(2)]
    fc.assert(
      fc.property(statement, statement, (signed, claimed) => {
        const signature = mine.sign(...signed)
        assert.equal(isSignedBy(mine.publicKey, signature, ...claimed), same(signed) === same(claimed))
        assert.equal(isSignedBy(other.publicKey, signature, ...signed), false)
      }),
      { numRuns: 300 },
    )
  })

  test('refuses keys and signatures of another spelling, and does not throw', () => {
    const key = keyOf(1)
    const signature = key.sign(SIGNED.answer, ['a'])
    assert.ok(isSignedBy(key.publicKey, signature, SIGNED.answer, ['a']))
    for (const wrong of ['', 'x', signature.toUpperCase(), `${signature}00`, signature.slice(2)])
      assert.equal(isSignedBy(key.publicKey, wrong, SIGNED.answer, ['a']), false, wrong)
    for (const wrong of ['', key.publicKey.toUpperCase(), 'f'.repeat(64), '0'.repeat(64)])
      assert.equal(isSignedBy(wrong, signature, SIGNED.answer, ['a']), false, wrong)
  })

  test('refuses a signature with any one bit changed', () => {
    const key = keyOf(1)
    const signature = Buffer.from(key.sign(SIGNED.answer, ['a']), 'hex')
    for (let bit = 0; bit < signature.length * 8; bit += 1) {
      const changed = Buffer.from(signature)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.equal(isSignedBy(key.publicKey, hex(changed), SIGNED.answer, ['a']), false, `bit ${bit}`)
    }
  })
})
