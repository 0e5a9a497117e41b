// NATS keys from random bytes: an Ed25519 key pair, whose public half NATS writes as an "nkey" (a type letter, the key, a checksum, in
// base32). Reads the nkey of a user back, in its one spelling. Node signs with OpenSSL, which is twenty times as fast as the JavaScript
// of the NATS library. Pure. Format: https://github.com/nats-io/nkeys.
import { sign } from 'node:crypto'
import { ed25519Pair } from './signatures.ts'

/** What a key is for. The number is the first byte of a public nkey, and gives its first letter: A or U. */
const TYPES = { account: 0, user: 20 << 3 } as const
/** The first five bits of a seed, which give the letter S. */
const SEED = 18 << 3

export interface NatsKey {
  /** The public nkey: "A..." or "U...". */
  readonly publicKey: string
  /** The seed as NATS clients take it: "SA..." or "SU...". */
  readonly seed: string
  sign(bytes: Uint8Array): Uint8Array
}

/** The key of a seed of 32 random bytes. Throws RangeError for another length. */
export function natsKey(type: keyof typeof TYPES, seed: Uint8Array): NatsKey {
  const { privateKey, publicBytes } = ed25519Pair(seed)
  const letter = TYPES[type]
  return {
    publicKey: encoded([letter], publicBytes),
    seed: encoded([SEED | (letter >> 5), (letter & 31) << 3], seed),
    sign: (bytes) => sign(null, bytes, privateKey),
  }
}

/** Bytes of a key, which follow the byte of its type. */
const KEY_BYTES = 32

/** The public nkey "U..." of a user's key, from its 64 hexadecimal digits. */
export function userNkeyOf(publicKey: string): string {
  return encoded([TYPES.user], Buffer.from(publicKey, 'hex'))
}

/** The 64 hexadecimal digits of the public nkey of a user; undefined for any other text, such as that of a wrong checksum. */
export function publicKeyOfNkey(nkey: string): string | undefined {
  if (!/^U[A-Z2-7]{55}$/.test(nkey)) return undefined
  const publicKey = bytesOf(nkey)
    .subarray(1, 1 + KEY_BYTES)
    .toString('hex')
  // Encoding it again compares type and checksum at once.
  return userNkeyOf(publicKey) === nkey ? publicKey : undefined
}

function encoded(prefix: readonly number[], bytes: Uint8Array): string {
  const body = Buffer.concat([Buffer.from(prefix), bytes])
  const check = Buffer.alloc(2)
  check.writeUInt16LE(crc16(body))
  return base32(Buffer.concat([body, check]))
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Without padding (RFC 4648). */
function base32(bytes: Uint8Array): string {
  let [text, value, bits] = ['', 0, 0]
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) text += LETTERS[(value >>> (bits - 5)) & 31]
  }
  return bits > 0 ? text + LETTERS[(value << (5 - bits)) & 31] : text
}

/** The whole bytes that the letters of base32 hold. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.alloc(Math.floor((text.length * 5) / 8))
  let [at, value, bits] = [0, 0, 0]
  for (const letter of text) {
    value = ((value << 5) | LETTERS.indexOf(letter)) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at] = value >>> bits
    at += 1
  }
  return bytes
}
