// Ports and peers per role, from the URLs of the spec and the settings of the operator.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { jobWith, keyOf, observe, running, SETTINGS, writesOf } from '#test/given/observed.ts'
import type { NetworkPeers } from '../../objects/settings.ts'
import { reconcile } from '../reconcile.ts'
import { DEFAULT_PEERS } from './network-policies.ts'

interface Rule {
  readonly to?: readonly object[]
  readonly from?: readonly object[]
  readonly ports: readonly { readonly port: number | string }[]
}

function policyOf(name: string, spec: Partial<FederatedJobSpec>, peers?: NetworkPeers) {
  const settings = { ...SETTINGS, ...(peers ? { peers } : {}) }
  const { writes } = reconcile(observe(jobWith(spec), { settings }))
  const policy = writes.find(({ object }) => object.kind === 'NetworkPolicy' && object.metadata.name === name)
  const { ingress, egress, policyTypes } = (policy?.object.spec ?? {}) as Record<string, readonly Rule[]>
  assert.deepEqual(policyTypes, ['Ingress', 'Egress'])
  return { ingress: ingress!, egress: egress! }
}

const portsOf = ({ ports }: Rule): (number | string)[] => ports.map(({ port }) => port)

/** Ports of servers that a role may reach, beside DNS and the API server. */
function egressOf(name: string, spec: Partial<FederatedJobSpec>): (number | string)[] {
  const [dns, ...others] = policyOf(name, spec).egress
  assert.deepEqual(portsOf(dns!), [53, 53])
  return others.filter(({ to }) => to !== undefined).flatMap(portsOf)
}

const PLACES = {
  storage: { s3: { endpoint: 'http://minio:9000' } },
  messaging: { nats: { url: 'nats://nats:4222,nats://other:4223' } },
}
const OUTSIDE = { storage: { s3: { endpoint: 'https://store.example.org:9000' } } }
const FOLDER = { segmentAnything: { checkpoint: { uri: '/models/sam' } } }

test('only the coordinator may reach the API server', () => {
  const spec = { ...PLACES, trainer: FOLDER }
  assert.deepEqual(egressOf('brain-coordinator', spec), [4222, 4223, 9000])
  assert.deepEqual(egressOf('brain-workers', spec), [4222, 4223, 9000])
  const everywhere = (name: string) => policyOf(name, spec).egress.filter(({ to }) => to === undefined)
  assert.deepEqual(everywhere('brain-coordinator').map(portsOf), [[443, 6443]])
  assert.deepEqual(everywhere('brain-workers'), [])
})

test("pods may reach the cluster's DNS, and no link-local address", () => {
  for (const name of ['brain-coordinator', 'brain-workers']) {
    const [dns, ...others] = policyOf(name, PLACES).egress
    assert.deepEqual(dns?.to, DEFAULT_PEERS.dns)
    const [, ...away] = policyOf(name, { ...PLACES, ...OUTSIDE }).egress
    const blocks = [...others, ...away].flatMap(
      ({ to = [] }) => to as { ipBlock?: { cidr: string; except: string[] } }[],
    )
    const excepted = blocks.flatMap(({ ipBlock }) => ipBlock?.except ?? [])
    assert.ok(excepted.includes('169.254.0.0/16') && excepted.includes('fe80::/10'), name)
    const anywhere = policyOf(name, PLACES, { ...DEFAULT_PEERS, dns: [] }).egress[0]
    assert.equal(anywhere?.to, undefined)
  }
})

test('with a source in a bucket, workers may reach HTTPS', () => {
  const partitions = [{ name: 'a', source: { s3: { uri: 's3://site-a/x' } } }, { name: 'b' }]
  assert.deepEqual(egressOf('brain-workers', { ...PLACES, partitions }), [4222, 4223, 9000, 443])
})

test('a pod reaches the namespaces of its servers alone, or the peers that the operator names', () => {
  const spec = {
    storage: { s3: { endpoint: 'https://fedsam-s3-team.fedsam-system.svc:7070' } },
    messaging: { nats: { url: 'tls://nats.bus.svc.cluster.local' } },
  }
  const rule = (namespace: string, port: number): object => ({
    to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } }],
    ports: [{ port, protocol: 'TCP' }],
  })
  assert.deepEqual(policyOf('brain-workers', spec).egress.slice(1), [
    rule('fedsam-system', 7070),
    rule('bus', 4222),
  ])
  const named = [{ podSelector: { matchLabels: { app: 'servers' } } }]
  const apiServer = [{ ipBlock: { cidr: '10.0.0.1/32' } }]
  const peers = { ...DEFAULT_PEERS, servers: named, apiServer }
  const [, api, ...others] = policyOf('brain-coordinator', { ...spec, trainer: FOLDER }, peers).egress
  assert.deepEqual(api?.to, apiServer)
  assert.deepEqual(
    others.map(({ to, ports }) => [to, ports.map(({ port }) => port)]),
    [[named, [4222, 7070]]],
  )
})

test('no peer may reach a pod of a job, except the named peers for the metrics of the coordinator', () => {
  const prometheus = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }
  const named = { ...DEFAULT_PEERS, metrics: [prometheus] }
  const scraped = { from: [prometheus], ports: [{ port: 'metrics', protocol: 'TCP' }] }
  assert.deepEqual(policyOf('brain-coordinator', {}).ingress, [])
  assert.deepEqual(policyOf('brain-coordinator', {}, named).ingress, [scraped])
  for (const peers of [undefined, named]) assert.deepEqual(policyOf('brain-workers', {}, peers).ingress, [])
})

test('a policy of an earlier version that admits every peer is corrected; a right one does not change', () => {
  const open = running.children.map((child) =>
    keyOf(child) === 'NetworkPolicy/brain-coordinator'
      ? { ...child, spec: { ...child.spec, ingress: [{ ports: [{ port: 'metrics', protocol: 'TCP' }] }] } }
      : child,
  )
  assert.deepEqual(writesOf(reconcile({ ...running, children: open })), [
    'Apply NetworkPolicy/brain-coordinator',
  ])
  // The API server drops empty lists.
  const bare = running.children.map((child) => {
    const { ingress: _, ...spec } = child.spec ?? {}
    return child.kind === 'NetworkPolicy' ? { ...child, spec } : child
  })
  assert.deepEqual(writesOf(reconcile({ ...running, children: bare })), [])
})
