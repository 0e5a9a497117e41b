// The signature of a receipt: no field of it can change, and it counts in one run only.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJson, encodeJson } from './canonical.ts'
import { receiptSigner, signReceipt } from './receipt-signature.ts'
import { signingKeyOf } from './signatures.ts'

const key = signingKeyOf(new Uint8Array(32).fill(1))
const stranger = signingKeyOf(new Uint8Array(32).fill(2))
const RECEIPT = {
  schema: 'fedsam.receipt/1',
  client: 'a',
  round: 1,
  attempt: 1,
  update: { sha256: 'a'.repeat(64), numExamples: 3, metrics: { loss: 0.1 } },
  evaluation: null,
  newer: 'a field of a later version',
}
const signed = signReceipt(key, 'u1', RECEIPT)
const fields = decodeJson(signed) as typeof RECEIPT & { key: string; signature: string }

test('the signer of a receipt is the key in it', () => {
  assert.deepEqual(receiptSigner(signed, 'u1'), { kind: 'Signed', key: key.publicKey })
})

test('a receipt of another run, or with another value in any field, is wrong', () => {
  assert.deepEqual(receiptSigner(signed, 'u2'), { kind: 'Wrong' })
  const update = fields.update
  const changes: object[] = [
    { client: 'b' },
    { round: 2 },
    { attempt: 2 },
    { update: { ...update, sha256: 'b'.repeat(64) } },
    { update: { ...update, numExamples: 4 } },
    { update: { ...update, metrics: { loss: 0.2 } } },
    { evaluation: { loss: 1 } },
    { newer: '' },
    { key: stranger.publicKey },
    { key: undefined },
    { signature: undefined },
    { signature: 'x' },
    { added: 1 },
  ]
  for (const change of changes) {
    const changed = encodeJson({ ...fields, ...change })
    assert.deepEqual(receiptSigner(changed, 'u1'), { kind: 'Wrong' }, JSON.stringify(change))
  }
})

test('a receipt of an older version is unsigned, and other bytes are wrong', () => {
  assert.deepEqual(receiptSigner(encodeJson(RECEIPT), 'u1'), { kind: 'Unsigned' })
  for (const text of ['', '[', 'null', '7', '"x"', '{"key":1}'])
    assert.deepEqual(receiptSigner(Buffer.from(text), 'u1'), { kind: 'Wrong' }, text)
})
