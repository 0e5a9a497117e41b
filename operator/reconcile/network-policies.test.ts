// Ports per role, from the URLs of the spec.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { jobWith, observe } from './given.ts'
import { portOf } from './network-policies.ts'
import { reconcile } from './reconcile.ts'

for (const [url, port] of [
  ['', 443],
  ['https://s3.example', 443],
  ['http://s3.example', 80],
  ['http://minio:9000', 9000],
  ['nats://nats', 4222],
  ['tls://nats:4443', 4443],
  ['wss://nats', 443],
  ['no url', 443],
] as const) {
  test(`the port of "${url}" is ${port}`, () => assert.equal(portOf(url), port))
}

/** Ports beside DNS that a role may reach. */
function egressOf(name: string, spec: Partial<FederatedJobSpec>): number[] {
  const policy = reconcile(observe(jobWith(spec))).writes.find(
    ({ object }) => object.kind === 'NetworkPolicy' && object.metadata.name === name,
  )
  const egress = (policy?.object.spec?.egress ?? []) as { ports: { port: number }[] }[]
  const [dns, ...others] = egress
  assert.deepEqual(
    dns?.ports.map(({ port }) => port),
    [53, 53],
  )
  return others.flatMap(({ ports }) => ports.map(({ port }) => port))
}

const PLACES = {
  storage: { s3: { endpoint: 'http://minio:9000' } },
  messaging: { nats: { url: 'nats://nats:4222,nats://other:4223' } },
}
const FOLDER = { segmentAnything: { checkpoint: { uri: '/models/sam' } } }

test('the coordinator alone reaches the API server', () => {
  const spec = { ...PLACES, trainer: FOLDER }
  assert.deepEqual(egressOf('brain-coordinator', spec), [443, 4222, 4223, 6443, 9000])
  assert.deepEqual(egressOf('brain-workers', spec), [4222, 4223, 9000])
})

test('a source in a bucket may lie elsewhere', () => {
  const partitions = [{ name: 'a', source: { s3: { uri: 's3://site-a/x' } } }, { name: 'b' }]
  assert.deepEqual(egressOf('brain-workers', { ...PLACES, partitions }), [443, 4222, 4223, 9000])
})

test('nobody is reached from outside but the port of metrics', () => {
  const policies = reconcile(observe(jobWith())).writes.filter(
    ({ object }) => object.kind === 'NetworkPolicy',
  )
  const ingress = policies.map(({ object }) => [object.spec?.policyTypes, object.spec?.ingress])
  assert.deepEqual(ingress, [
    [['Ingress', 'Egress'], [{ ports: [{ port: 'metrics', protocol: 'TCP' }] }]],
    [['Ingress', 'Egress'], undefined],
  ])
})
