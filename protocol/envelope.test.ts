// Signed requests and answers: what is believed, and every way in which a message can be taken for another one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from './canonical.ts'
import { certificateCheck, certify } from './certificate.ts'
import { type Conversation, openAnswer, openRequest, sealAnswer, sealRequest } from './envelope.ts'
import { signingKeyOf } from './signatures.ts'

const keyOf = (byte: number) => signingKeyOf(new Uint8Array(32).fill(byte))
const [operator, coordinator, client, stranger] = [keyOf(1), keyOf(2), keyOf(3), keyOf(4)]
const A: Conversation = { uid: 'u1', client: 'a' }
const BODY = encodeJson({ kind: 'next', text: 'one\ntwo' })
const CERTIFIED = { uid: 'u1', namespace: 'ns', name: 'job', epoch: 1, key: coordinator.publicKey }
const certificate = certify(operator, CERTIFIED)
const request = sealRequest(client, A, { number: 7, epoch: 0, body: BODY })
const trust = [operator.publicKey]
const opened = (message: Uint8Array, asked = request, { uid, client: name } = A) =>
  openAnswer(message, { uid, client: name, request: asked, check: certificateCheck({ uid, trust }) })
const sealed = sealAnswer(coordinator, { certificate, client: 'a', request, body: BODY })

/** The message with each of its bytes changed, one at a time. */
function* changesOf(message: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < message.length; at += 1) {
    const changed = new Uint8Array(message)
    changed[at]! ^= 1
    yield changed
  }
}

describe('a request', () => {
  test('opens with its key, number and body', () => {
    const found = openRequest(request, A)!
    assert.deepEqual(
      { ...found, body: undefined },
      { key: client.publicKey, number: 7, epoch: 0, body: undefined },
    )
    assert.deepEqual(new Uint8Array(found.body), BODY)
  })

  test('of another run, of another client, or with any byte changed does not open', () => {
    assert.equal(openRequest(request, { ...A, uid: 'u2' }), undefined)
    assert.equal(openRequest(request, { ...A, client: 'b' }), undefined)
    for (const changed of changesOf(request)) assert.equal(openRequest(changed, A), undefined)
  })

  test('without a signature does not open', () => {
    for (const message of [BODY, new Uint8Array(), new Uint8Array(5000), Buffer.from('{}\n{}')])
      assert.equal(openRequest(message, A), undefined)
  })
})

describe('an answer', () => {
  test('opens with its certificate and body', () => {
    const found = opened(sealed)
    assert.ok(found.kind === 'Answer')
    assert.deepEqual(found.certificate, certificate)
    assert.deepEqual(new Uint8Array(found.body), BODY)
  })

  test('to another request, to another client or of another run is ignored', () => {
    const later = sealRequest(client, A, { number: 8, epoch: 0, body: BODY })
    assert.deepEqual(opened(sealed, later), { kind: 'Ignored', fault: 'WrongSignature' })
    assert.deepEqual(opened(sealed, request, { ...A, client: 'b' }), {
      kind: 'Ignored',
      fault: 'WrongSignature',
    })
    assert.deepEqual(opened(sealed, request, { ...A, uid: 'u2' }), { kind: 'Ignored', fault: 'OtherRun' })
  })

  test('of a key that nobody certified is ignored, whatever certificate it shows', () => {
    const forged = sealAnswer(stranger, { certificate, client: 'a', request, body: BODY })
    assert.deepEqual(opened(forged), { kind: 'Ignored', fault: 'WrongSignature' })
    const own = certify(stranger, { ...CERTIFIED, key: stranger.publicKey })
    const answer = sealAnswer(stranger, { certificate: own, client: 'a', request, body: BODY })
    assert.deepEqual(opened(answer), { kind: 'Ignored', fault: 'NotCertified' })
    const swapped = sealAnswer(stranger, {
      certificate: { ...certificate, key: stranger.publicKey },
      client: 'a',
      request,
      body: BODY,
    })
    assert.deepEqual(opened(swapped), { kind: 'Ignored', fault: 'NotCertified' })
  })

  test('without a signature, or with any byte changed, is ignored', () => {
    assert.deepEqual(opened(BODY), { kind: 'Ignored', fault: 'Unsigned' })
    for (const changed of changesOf(sealed)) assert.equal(opened(changed).kind, 'Ignored')
  })

  test('is not taken for a request, nor a request for an answer', () => {
    assert.equal(openRequest(sealed, A), undefined)
    assert.deepEqual(opened(request), { kind: 'Ignored', fault: 'Unsigned' })
  })
})
