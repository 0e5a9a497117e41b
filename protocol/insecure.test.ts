// Which addresses of a job are without TLS, and which jobs refuse every connection without TLS.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from './defaults.ts'
import type { CompleteFederatedJobSpec, FederatedJobSpec } from './generated/federatedjob.ts'
import { plainAddresses, requiresTls } from './insecure.ts'

const specOf = (fields: Partial<FederatedJobSpec>): CompleteFederatedJobSpec =>
  completeSpec({ partitions: [{ name: 'a' }, { name: 'b' }], ...fields })

test('the addresses without TLS', () => {
  const plain = (fields: Partial<FederatedJobSpec>): string[] => plainAddresses(specOf(fields))
  assert.deepEqual(plain({}), [])
  assert.deepEqual(plain({ storage: { s3: {} }, messaging: { nats: {} } }), [])
  const [store, bus] = ['http://s3:9000', 'nats://nats:4222']
  assert.deepEqual(plain({ storage: { s3: { endpoint: store } }, messaging: { nats: { url: bus } } }), [
    store,
    bus,
  ])
  assert.deepEqual(plain({ messaging: { nats: { url: bus, tlsSecretName: 'ca' } } }), [])
  assert.deepEqual(plain({ messaging: { nats: { url: `${bus},tls://other` } } }), [])
  assert.deepEqual(plain({ messaging: { nats: { url: 'nats://a/tls://b' } } }), ['nats://a/tls://b'])
})

test('a job requires TLS unless it allows the opposite, or was stored with an address without', () => {
  const storage = { s3: { endpoint: 'https://s3:9000' } }
  assert.equal(requiresTls(specOf({ storage, messaging: { nats: {} } })), true)
  assert.equal(requiresTls(specOf({ storage, allowInsecure: true })), false)
  assert.equal(requiresTls(specOf({ storage: { s3: { endpoint: 'http://s3:9000' } } })), false)
})
