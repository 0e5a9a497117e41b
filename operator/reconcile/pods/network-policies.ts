// One NetworkPolicy for each role of a job. Pods may reach the cluster's DNS, and the destinations of storage, messaging and sources; only
// the coordinator may reach the API server. No peer may reach a pod, except the peers of metrics. The network plugin enforces the
// policies. A policy matches the port of a pod, not of its Service: a store whose pods listen on another port than its URL needs a
// policy of its own. A policy is for a whole pod: the trainer has the network of its network half. Pure.
import { isExternal } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { JOB_LABEL, ROLE_LABEL, type Role } from '#protocol/labels.ts'
import { coordinatorName } from '#protocol/names.ts'
import { childMetadata, podLabels } from '../../objects/labels.ts'
import type { NetworkPeers } from '../../objects/settings.ts'
import type { Json, KubernetesObject, StoredJob } from '../../objects/shapes.ts'
import { type Destination, destinationOf, publicHttps } from './destinations.ts'

/** Ports of the API server: of its Service, and of its process. */
const API_SERVER = [443, 6443]

/** No pod reads the metrics. DNS has the labels that kubeadm and most distributions give it. Servers are where their URLs say. */
export const DEFAULT_PEERS: NetworkPeers = {
  metrics: [],
  servers: [],
  apiServer: [],
  inside: [],
  dns: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
}

const tcp = (port: number): Json => ({ port, protocol: 'TCP' })
const DNS_PORTS: readonly Json[] = [{ port: 53, protocol: 'UDP' }, tcp(53)]

/** The policies of a job: of its coordinator, and of its workers where it has any. */
export function networkPolicies(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  peers: NetworkPeers = DEFAULT_PEERS,
): KubernetesObject[] {
  const { metrics, dns, apiServer } = peers
  // A rule without peers would admit every peer.
  const scraped = { from: metrics, ports: [{ port: 'metrics', protocol: 'TCP' }] }
  const names = { ...toAny(dns), ports: DNS_PORTS }
  // Some network plugins match the API server neither as a pod nor as an address, so its rule has peers only where they are named.
  const api = { ...toAny(apiServer), ports: API_SERVER.map(tcp) }
  return [
    policy(job, 'coordinator', {
      ingress: metrics.length === 0 ? [] : [scraped],
      egress: [names, api, ...rules(coordinatorDestinations(job, spec, peers))],
    }),
    ...(spec.partitions.every(isExternal)
      ? []
      : [
          policy(job, 'worker', {
            ingress: [],
            egress: [names, ...rules(workerDestinations(job, spec, peers))],
          }),
        ]),
  ]
}

const toAny = (peers: readonly Json[]): Json => (peers.length === 0 ? {} : { to: peers })

/** One rule for all destinations with the same peers. */
function rules(destinations: readonly Destination[]): Json[] {
  const byPeers = Map.groupBy(destinations, ({ to }) => JSON.stringify(to))
  return [...byPeers.values()].map((same) => ({
    to: same[0]!.to,
    ports: distinct(same.map(({ port }) => port)).map(tcp),
  }))
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

function coordinatorDestinations(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  peers: NetworkPeers,
): Destination[] {
  const checkpoint = spec.trainer.segmentAnything?.checkpoint.uri ?? ''
  // hf:// means HTTPS. An s3:// checkpoint with credentials of its own may be in Amazon's S3.
  const isRemote = checkpoint.startsWith('hf://') || checkpoint.startsWith('s3://')
  return [...servers(job, spec, peers), ...(isRemote ? [publicHttps(peers.inside)] : [])]
}

function workerDestinations(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  peers: NetworkPeers,
): Destination[] {
  // A source's Secret may name an endpoint, and the operator reads no Secret: HTTPS is open.
  const hasSources = spec.partitions.some(({ source }) => source?.s3)
  return [...servers(job, spec, peers), ...(hasSources ? [publicHttps(peers.inside)] : [])]
}

/** Storage and messaging: where their URLs say, or where the operator's settings say. */
function servers(
  { metadata: { namespace } }: StoredJob,
  { storage, messaging }: CompleteFederatedJobSpec,
  { servers: named, inside }: NetworkPeers,
): Destination[] {
  const urls = [...(storage ? [storage.s3.endpoint] : []), ...(messaging?.nats.url.split(',') ?? [])]
  const destinations = urls.map((url) => destinationOf(url, namespace, inside))
  return named.length === 0 ? destinations : destinations.map(({ port }) => ({ to: named, port }))
}

function distinct(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b)
}
