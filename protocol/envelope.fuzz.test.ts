// Foreign bytes as signed messages and receipts: each is ignored or refused, and none throws.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { encodeJson } from './canonical.ts'
import { certificateCheck, certify } from './certificate.ts'
import { openAnswer, openRequest, sealAnswer, sealRequest } from './envelope.ts'
import { receiptSigner, signReceipt } from './receipt-signature.ts'
import { signingKeyOf } from './signatures.ts'

const key = signingKeyOf(new Uint8Array(32).fill(1))
const BODY = encodeJson({ kind: 'next' })
const A = { uid: 'u1', client: 'a' }
const request = sealRequest(key, A, { number: 1, epoch: 0, body: BODY })
const certified = { uid: 'u1', namespace: 'ns', name: 'job', epoch: 1, key: key.publicKey }
const answer = sealAnswer(key, { certificate: certify(key, certified), client: 'a', request, body: BODY })
const receipt = signReceipt(key, 'u1', { client: 'a', round: 1 })
const check = certificateCheck({ uid: 'u1', trust: [key.publicKey] })

/** A correct message with some bytes replaced, inserted or cut off; or other bytes. */
const changed = fc
  .tuple(
    fc.constantFrom(request, answer, receipt),
    fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('Replace', 'Insert', 'End')), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([message, changes]) => {
    let bytes = [...message]
    for (const [place, byte, how] of changes) {
      const at = place % Math.max(1, bytes.length)
      if (how === 'End') bytes = bytes.slice(0, at)
      else bytes.splice(at, how === 'Replace' ? 1 : 0, byte)
    }
    return new Uint8Array(bytes)
  })
const long = (begin: string, part: string): Uint8Array =>
  new TextEncoder().encode(begin + part.repeat((2 ** 20 - begin.length) / part.length))
const isOneOf = (bytes: Uint8Array, known: Uint8Array): boolean => Buffer.compare(bytes, known) === 0

fuzz('signed messages', {
  input: fc.oneof({ weight: 8, arbitrary: changed }, fc.uint8Array({ maxLength: 100 })),
  read(bytes) {
    assert.equal(openRequest(bytes, A) !== undefined, isOneOf(bytes, request))
    assert.equal(openAnswer(bytes, { ...A, request, check }).kind === 'Answer', isOneOf(bytes, answer))
    if (receiptSigner(bytes, 'u1').kind === 'Signed') assert.ok(isOneOf(bytes, receipt))
  },
  examples: [
    request,
    answer,
    receipt,
    long('', '['),
    long('{"key":"', 'x'),
    long('', '\n'),
    long('{"certificate":', '{"a":'),
  ],
})
