// Certificates: which run, which key, and the memory of what was believed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CoordinatorCertificate, certificateCheck, certificateFault, certify } from './certificate.ts'
import { signingKeyOf } from './signatures.ts'

const keyOf = (byte: number) => signingKeyOf(new Uint8Array(32).fill(byte))
const [operator, stranger, coordinator] = [keyOf(1), keyOf(2), keyOf(3)]
const CERTIFIED = { uid: 'u1', namespace: 'ns', name: 'job', epoch: 2, key: coordinator.publicKey }
const certificate = certify(operator, CERTIFIED)
const trust = [keyOf(9).publicKey, operator.publicKey]

/** The certificate with one field changed, for every field. */
const CHANGED: readonly CoordinatorCertificate[] = [
  { ...certificate, namespace: 'other' },
  { ...certificate, name: 'other' },
  { ...certificate, epoch: 2 ** 53 - 1 },
  { ...certificate, key: stranger.publicKey },
  { ...certificate, signature: certify(stranger, CERTIFIED).signature },
]

test('a certificate of a trusted key for this run is believed', () => {
  assert.equal(certificateFault(certificate, { uid: 'u1', trust }), undefined)
})

test('a certificate of another run, of no trusted key, or with a changed field is not', () => {
  assert.equal(certificateFault(certificate, { uid: 'u2', trust }), 'OtherRun')
  assert.equal(certificateFault({ ...certificate, uid: 'u2' }, { uid: 'u2', trust }), 'NotCertified')
  assert.equal(certificateFault(certificate, { uid: 'u1', trust: [stranger.publicKey] }), 'NotCertified')
  assert.equal(certificateFault(certificate, { uid: 'u1', trust: [] }), 'NotCertified')
  for (const changed of CHANGED) assert.equal(certificateFault(changed, { uid: 'u1', trust }), 'NotCertified')
})

test('the check that remembers says the same, before and after it believed a certificate', () => {
  const check = certificateCheck({ uid: 'u1', trust })
  for (const changed of CHANGED) assert.equal(check(changed), 'NotCertified')
  assert.equal(check(certificate), undefined)
  assert.equal(check({ ...certificate }), undefined)
  for (const changed of CHANGED) assert.equal(check(changed), 'NotCertified')
  const ofOther = certify(operator, { ...CERTIFIED, uid: 'u2' })
  assert.equal(check(ofOther), 'OtherRun')
  assert.equal(check({ ...ofOther, uid: 'u1' }), 'NotCertified')
  assert.equal(check(certificate), undefined)
})

test('no certificate states an epoch below 1 or a key of another form', () => {
  assert.throws(() => certify(operator, { ...CERTIFIED, epoch: 0 }), TypeError)
  assert.throws(() => certify(operator, { ...CERTIFIED, key: 'x' }), TypeError)
})
