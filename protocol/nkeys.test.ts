// Keys as the NATS library itself writes and verifies them.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { nkeys } from 'nats'
import { natsKey, publicKeyOfNkey, userNkeyOf } from './nkeys.ts'

test('public keys, seeds and signatures are those of the NATS library', () => {
  for (const type of ['account', 'user'] as const) {
    for (let tries = 0; tries < 20; tries += 1) {
      const key = natsKey(type, randomBytes(32))
      const theirs = nkeys.fromSeed(new TextEncoder().encode(key.seed))
      assert.equal(theirs.getPublicKey(), key.publicKey)
      assert.match(key.publicKey, type === 'account' ? /^A[A-Z2-7]{55}$/ : /^U[A-Z2-7]{55}$/)
      const message = randomBytes(100)
      assert.ok(nkeys.fromPublic(key.publicKey).verify(message, key.sign(message)))
    }
  }
})

test('a seed of another length is refused', () => {
  for (const length of [0, 31, 33]) assert.throws(() => natsKey('user', randomBytes(length)), RangeError)
})

test('the public nkey of a user is read back from its one spelling, and nothing else is read', () => {
  for (let tries = 0; tries < 20; tries += 1) {
    const { publicKey: nkey } = natsKey('user', randomBytes(32))
    const hex = publicKeyOfNkey(nkey)!
    assert.match(hex, /^[0-9a-f]{64}$/)
    assert.equal(userNkeyOf(hex), nkey)
    const at = 1 + Math.floor(tries * 2.8)
    const other = nkey[at] === 'A' ? 'B' : 'A'
    const wrong = [nkey.slice(0, at) + other + nkey.slice(at + 1), nkey.toLowerCase(), `${nkey}=`, ` ${nkey}`]
    for (const text of [...wrong, `${nkey}A`, nkey.slice(0, -1), `${nkey}\n`, ''])
      assert.equal(publicKeyOfNkey(text), undefined, text)
  }
  for (const other of [natsKey('account', randomBytes(32)).publicKey, natsKey('user', randomBytes(32)).seed])
    assert.equal(publicKeyOfNkey(other), undefined)
})
