// Where the servers of a job are, as NetworkPolicyPeers and a port: a namespace of the cluster, one address, or addresses outside of
// the cluster. The host name of a URL decides, because a policy cannot name a host. No destination includes link-local addresses: a cloud
// serves the credentials of a node at 169.254.169.254. Pure.
import type { Json } from '../../objects/shapes.ts'

/** One server, or all servers with these peers and this port. */
export interface Destination {
  readonly to: readonly Json[]
  readonly port: number
}

/** Ports of URLs without a port, by protocol. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'nats:': 4222,
  'tls:': 4222,
}
const HTTPS = 443

/** Addresses that no destination includes: link-local ones, and the node's credentials at Amazon. */
const NEVER_V4 = ['169.254.0.0/16']
const NEVER_V6 = ['fe80::/10', 'fd00:ec2::254/128']

/** Every address outside of the cluster; `except`: ranges that are not outside, such as those of pods and Services. */
export function outside(except: readonly string[]): Json[] {
  const [v6, v4] = [except.filter(isV6), except.filter((range) => !isV6(range))]
  return [
    { ipBlock: { cidr: '0.0.0.0/0', except: [...NEVER_V4, ...v4] } },
    { ipBlock: { cidr: '::/0', except: [...NEVER_V6, ...v6] } },
  ]
}

const isV6 = (address: string): boolean => address.includes(':')

/** HTTPS to any address outside: a Hub, or Amazon's S3. */
export function publicHttps(except: readonly string[]): Destination {
  return { to: outside(except), port: HTTPS }
}

/** The destination of a URL for a pod in this namespace. An empty or invalid URL: HTTPS to any address outside. */
export function destinationOf(url: string, namespace: string, except: readonly string[]): Destination {
  const parsed = URL.parse(url.trim())
  if (!parsed) return publicHttps(except)
  return { to: peersOf(parsed.hostname, namespace, except), port: portOf(parsed) }
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (DEFAULT_PORTS[protocol] ?? HTTPS) : Number(port)
}

/** As a pod resolves the name: NAME, NAME.NAMESPACE and NAME.NAMESPACE.svc are Services. */
function peersOf(hostname: string, own: string, except: readonly string[]): Json[] {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isV6(host) || /^\d+(\.\d+){3}$/.test(host))
    return isLinkLocal(host) ? outside(except) : [{ ipBlock: { cidr: `${host}/${isV6(host) ? 128 : 32}` } }]
  const [, namespace, service, ...others] = host.split('.')
  if (namespace === undefined) return [inNamespace(own)]
  if (service === 'svc') return [inNamespace(namespace)]
  // store.team-a is a Service, example.com is not: the name alone does not say which.
  return service === undefined && others.length === 0
    ? [inNamespace(namespace), ...outside(except)]
    : outside(except)
}

const isLinkLocal = (host: string): boolean =>
  /^(169\.254\.|fe[89ab][0-9a-f]:|fd00:ec2::254$|::ffff:)/i.test(host)

function inNamespace(namespace: string): Json {
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } }
}
