// One NetworkPolicy for each role of a job. Pods may reach the cluster's DNS and the ports of storage, messaging and
// sources; only the coordinator may reach the API server. No peer may reach a pod, except the peers of metrics. The
// network plugin enforces the policies. A policy matches the port of a pod, not of its Service: a store whose pods
// listen on another port than its URL needs a policy of its own. Pure.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { JOB_LABEL, ROLE_LABEL, type Role } from '#protocol/labels.ts'
import { coordinatorName } from '#protocol/names.ts'
import { childMetadata, podLabels } from '../../objects/labels.ts'
import type { NetworkPeers } from '../../objects/settings.ts'
import type { Json, KubernetesObject, StoredJob } from '../../objects/shapes.ts'

/** Ports of URLs without a port, by protocol. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'nats:': 4222,
  'tls:': 4222,
}
const HTTPS = 443
/** Ports of the API server: of its Service, and of its process. */
const API_SERVER = [443, 6443]

/** No pod reads the metrics. DNS has the labels that kubeadm and most distributions give it. */
export const DEFAULT_PEERS: NetworkPeers = {
  metrics: [],
  dns: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
}

/** Any pod, and any address except the link-local ones: a cloud serves the credentials of a node at 169.254.169.254. */
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
  // A rule without peers would admit every peer.
  const scraped = { from: metrics, ports: [{ port: 'metrics', protocol: 'TCP' }] }
  const names = { ...(dns.length === 0 ? {} : { to: dns }), ports: DNS_PORTS }
  const servers = (ports: readonly number[]): Json[] =>
    ports.length === 0 ? [] : [{ to: SERVERS, ports: distinct(ports).map(tcp) }]
  // Some network plugins match the API server neither as a pod nor as an address, so its rule has ports only.
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
  // hf:// means HTTPS. An s3:// checkpoint with credentials of its own may be in Amazon's S3.
  const remote = checkpoint.startsWith('hf://') || checkpoint.startsWith('s3://')
  return [...storagePorts(spec), ...messagingPorts(spec), ...(remote ? [HTTPS] : [])]
}

function workerPorts(spec: CompleteFederatedJobSpec): number[] {
  // A source's Secret may name an endpoint, and the operator reads no Secret: HTTPS is open.
  const sources = spec.partitions.some(({ source }) => source?.s3)
  return [...storagePorts(spec), ...messagingPorts(spec), ...(sources ? [HTTPS] : [])]
}

function storagePorts({ storage }: CompleteFederatedJobSpec): number[] {
  return storage ? [portOf(storage.s3.endpoint)] : []
}

function messagingPorts({ messaging }: CompleteFederatedJobSpec): number[] {
  return messaging ? messaging.nats.url.split(',').map(portOf) : []
}

/** The port of a URL; 443 for an empty or invalid URL. */
export function portOf(url: string): number {
  const parsed = URL.parse(url.trim())
  if (!parsed) return HTTPS
  return parsed.port === '' ? (DEFAULT_PORTS[parsed.protocol] ?? HTTPS) : Number(parsed.port)
}

function distinct(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b)
}
