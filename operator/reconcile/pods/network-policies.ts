// Whom a job's pods may reach and who may reach them, one policy per role: the cluster's DNS, and the ports of storage, messaging and
// sources; the API server for the coordinator alone. Nobody reaches a pod, except the peers of metrics. The network plugin enforces it.
// A policy sees a pod's port, not its Service's: a store behind another port than its URL's needs a policy of its own.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { JOB_LABEL, ROLE_LABEL, type Role } from '#protocol/labels.ts'
import { coordinatorName } from '#protocol/names.ts'
import { childMetadata, podLabels } from '../../objects/labels.ts'
import type { NetworkPeers } from '../../objects/settings.ts'
import type { Json, KubernetesObject, StoredJob } from '../../objects/shapes.ts'

/** Of URLs that name none. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'nats:': 4222,
  'tls:': 4222,
}
const HTTPS = 443
/** Of the API server, as a Service and as a process. */
const API_SERVER = [443, 6443]

/** No pod reaches the metrics; names come from the cluster's DNS, under the labels that Kubernetes' own installers give it. */
export const DEFAULT_PEERS: NetworkPeers = {
  metrics: [],
  dns: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
}

/** Any pod, and any address but the link-local ones: a cloud gives the credentials of a node under 169.254.169.254. */
const SERVERS: readonly Json[] = [
  { namespaceSelector: {} },
  { ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] } },
  { ipBlock: { cidr: '::/0', except: ['fe80::/10', 'fd00:ec2::254/128'] } },
]

const tcp = (port: number): Json => ({ port, protocol: 'TCP' })
const DNS_PORTS: readonly Json[] = [{ port: 53, protocol: 'UDP' }, tcp(53)]

/** The two policies of a job. */
export function networkPolicies(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  { metrics, dns }: NetworkPeers = DEFAULT_PEERS,
): KubernetesObject[] {
  // A rule without peers would be open to everybody.
  const scraped = { from: metrics, ports: [{ port: 'metrics', protocol: 'TCP' }] }
  const names = { ...(dns.length === 0 ? {} : { to: dns }), ports: DNS_PORTS }
  const servers = (ports: readonly number[]): Json[] =>
    ports.length === 0 ? [] : [{ to: SERVERS, ports: distinct(ports).map(tcp) }]
  // Not all network plugins count the API server among pods or addresses: its rule names ports alone.
  const api = { ports: API_SERVER.map(tcp) }
  return [
    policy(job, 'coordinator', {
      ingress: metrics.length === 0 ? [] : [scraped],
      egress: [names, api, ...servers(coordinatorPorts(spec))],
    }),
    policy(job, 'worker', { ingress: [], egress: [names, ...servers(workerPorts(spec))] }),
  ]
}

function policy(
  job: StoredJob,
  role: Role,
  rules: { readonly ingress: readonly Json[]; readonly egress: readonly Json[] },
): KubernetesObject {
  const { name } = job.metadata
  const own = role === 'worker' ? `${name}-workers` : coordinatorName(name)
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: childMetadata(job, own, podLabels(name, role)),
    spec: {
      podSelector: { matchLabels: { [JOB_LABEL]: name, [ROLE_LABEL]: role } },
      policyTypes: ['Ingress', 'Egress'],
      ...rules,
    },
  }
}

function coordinatorPorts(spec: CompleteFederatedJobSpec): number[] {
  const checkpoint = spec.trainer.segmentAnything?.checkpoint.uri ?? ''
  // hf:// is HTTPS; an s3:// checkpoint with credentials of its own may lie at Amazon's.
  const remote = checkpoint.startsWith('hf://') || checkpoint.startsWith('s3://')
  return [...storagePorts(spec), ...messagingPorts(spec), ...(remote ? [HTTPS] : [])]
}

function workerPorts(spec: CompleteFederatedJobSpec): number[] {
  // A source's Secret may name an endpoint that the operator does not read: HTTPS is open to it.
  const sources = spec.partitions.some(({ source }) => source?.s3)
  return [...storagePorts(spec), ...messagingPorts(spec), ...(sources ? [HTTPS] : [])]
}

function storagePorts({ storage }: CompleteFederatedJobSpec): number[] {
  return storage ? [portOf(storage.s3.endpoint)] : []
}

function messagingPorts({ messaging }: CompleteFederatedJobSpec): number[] {
  return messaging ? messaging.nats.url.split(',').map(portOf) : []
}

/** The port of a URL; that of HTTPS where there is no URL, or none that can be read. */
export function portOf(url: string): number {
  const parsed = URL.parse(url.trim())
  if (!parsed) return HTTPS
  return parsed.port === '' ? (DEFAULT_PORTS[parsed.protocol] ?? HTTPS) : Number(parsed.port)
}

function distinct(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b)
}
