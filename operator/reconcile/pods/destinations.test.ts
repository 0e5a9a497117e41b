// Where a URL's server is for a pod of namespace `team`: which peers, and which port.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { destinationOf, outside } from './destinations.ts'

const inNamespace = (name: string) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
})
const address = (cidr: string) => ({ ipBlock: { cidr } })
const ANY = outside([])

for (const [url, to, port] of [
  ['', ANY, 443],
  ['no url', ANY, 443],
  ['https://s3.example.org', ANY, 443],
  ['http://s3.eu-central-1.amazonaws.com', ANY, 80],
  ['http://minio:9000', [inNamespace('team')], 9000],
  ['https://minio.storage.svc', [inNamespace('storage')], 443],
  ['https://minio.storage.svc.cluster.local:9000', [inNamespace('storage')], 9000],
  ['https://minio.storage.svc.cluster.local.:9000', [inNamespace('storage')], 9000],
  ['https://minio.storage:9000', [inNamespace('storage'), ...ANY], 9000],
  ['nats://nats', [inNamespace('team')], 4222],
  ['tls://nats.bus.svc:4443', [inNamespace('bus')], 4443],
  ['https://10.1.2.3', [address('10.1.2.3/32')], 443],
  ['https://[2001:db8::7]:9000', [address('2001:db8::7/128')], 9000],
  // The credentials of a node are no store.
  ['http://169.254.169.254', ANY, 80],
  ['http://[fe80::1]', ANY, 80],
  ['http://[fd00:ec2::254]', ANY, 80],
  ['http://[::ffff:169.254.169.254]', ANY, 80],
  // Another way to write 169.254.169.254.
  ['http://0xa9fea9fe', ANY, 80],
] as const) {
  test(`"${url}"`, () => assert.deepEqual(destinationOf(url, 'team', []), { to, port }))
}

test('addresses outside of the cluster exclude link-local ones and the named ranges', () => {
  assert.deepEqual(outside(['10.0.0.0/8', 'fd12::/48']), [
    { ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16', '10.0.0.0/8'] } },
    { ipBlock: { cidr: '::/0', except: ['fe80::/10', 'fd00:ec2::254/128', 'fd12::/48'] } },
  ])
})
