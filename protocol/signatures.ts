// Ed25519 signatures, and the bytes that are signed. Every kind of statement has a tag of its own, and every part has its length
// before it, so that no two statements have the same bytes. Keys and signatures are lower-case hexadecimal: each has one spelling.
// Pure: a key is derived from 32 bytes that the caller brings (runtime/signing-key.ts).
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import * as v from 'valibot'

/** What is signed: one tag for each kind of statement. A change of the signed parts needs another number. */
export const SIGNED = {
  coordinatorKey: 'fedsam/coordinator-key/1',
  answer: 'fedsam/answer/1',
  request: 'fedsam/request/1',
  receipt: 'fedsam/receipt/1',
  output: 'fedsam/output/1',
} as const

export type SignedTag = (typeof SIGNED)[keyof typeof SIGNED]

/** The public half of a key: 32 bytes. */
export const PublicKey = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is not a public key'))
/** 64 bytes. */
export const Signature = v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/, 'is not a signature'))

/** Bytes of a seed, from which a key is derived. */
export const SEED_BYTES = 32

/** One part of a statement: a text, a whole number, or bytes. */
export type SignedPart = string | number | Uint8Array

/** A key that signs. Its private half cannot be read from it. */
export interface SigningKey {
  readonly publicKey: string
  /** The signature over the statement. */
  sign(tag: SignedTag, parts: readonly SignedPart[]): string
}

/** A key pair of Ed25519 as Node takes it. */
export interface Ed25519Pair {
  readonly privateKey: KeyObject
  /** The 32 bytes of the public half. */
  readonly publicBytes: Uint8Array
}

/** What comes before a key's 32 bytes in DER: PKCS#8 for a seed, SubjectPublicKeyInfo for a public key (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** The key pair of a seed. Throws RangeError where the seed does not have 32 bytes. */
export function ed25519Pair(seed: Uint8Array): Ed25519Pair {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes, not ${seed.length}`)
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { privateKey, publicBytes: spki.subarray(SPKI.length) }
}

/** The key of a seed. Throws RangeError where the seed does not have 32 bytes. */
export function signingKeyOf(seed: Uint8Array): SigningKey {
  const { privateKey, publicBytes } = ed25519Pair(seed)
  return {
    publicKey: Buffer.from(publicBytes).toString('hex'),
    sign: (tag, parts) => sign(null, signedBytes(tag, parts), privateKey).toString('hex'),
  }
}

/** Whether the holder of this public key signed the statement. False for a key or a signature of another form, too. */
export function isSignedBy(
  publicKey: string,
  signature: string,
  tag: SignedTag,
  parts: readonly SignedPart[],
): boolean {
  if (!v.is(PublicKey, publicKey) || !v.is(Signature, signature)) return false
  const bytes = signedBytes(tag, parts)
  try {
    return verify(null, bytes, ed25519PublicKey(publicKey), Buffer.from(signature, 'hex'))
  } catch {
    return false
  }
}

/** A public key as Node takes it, from its 64 hexadecimal digits. Whether it is a point of the curve shows only when it verifies. */
export function ed25519PublicKey(publicKey: string): KeyObject {
  const key = Buffer.concat([SPKI, Buffer.from(publicKey, 'hex')])
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

/** The tag and the parts, each with its length in bytes before it (8 bytes, big-endian). A number counts as its decimal digits. */
export function signedBytes(tag: SignedTag, parts: readonly SignedPart[]): Uint8Array {
  const pieces = [tag, ...parts].flatMap((part) => {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part), 'utf8')
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(bytes.length))
    return [length, bytes]
  })
  return Buffer.concat(pieces)
}
