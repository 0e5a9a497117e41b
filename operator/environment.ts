// The operator's environment variables, read in one place. One error reports all problems. The chart's Deployment sets the
// variables.
import { isIP } from 'node:net'
import * as v from 'valibot'
import { IMAGES, OPERATOR } from '#protocol/environment.ts'
import {
  count,
  type Environment,
  flag,
  json,
  names,
  oneOf,
  optional,
  port,
  type Read,
  type Rule,
  readVariables,
  required,
} from '#runtime/environment.ts'
import type { Rate } from './kubernetes/client/throttle.ts'
import { LEASE_TIMES, type LeaseTimes } from './kubernetes/election/lease.ts'
import { POD_TEMPLATES, type Settings } from './objects/settings.ts'
import type { Json } from './objects/shapes.ts'
import { DEFAULT_PEERS } from './reconcile/pods/network-policies.ts'

export interface OperatorEnvironment {
  /** Without those that files hold (signing.ts). */
  readonly settings: Omit<Settings, 'certifier' | 'trust'>
  readonly signingFolder: string
  /** The watched namespaces; empty: all. */
  readonly namespaces: readonly string[]
  /** A file. Absent: the operator uses its pod's account. */
  readonly kubeconfig?: string
  /** The folder of the pod's account; undefined: the usual one. */
  readonly accountFolder: string | undefined
  readonly probePort: number
  readonly metricsPort: number
  readonly workers: number
  readonly rate: Rate
  readonly resyncSeconds: number
  /** Absent: this operator leads without an election. */
  readonly election?: { readonly namespace: string; readonly identity: string; readonly times: LeaseTimes }
}

/**
 * A list of NetworkPolicyPeer as JSON. Only the API server knows all rules of a peer: it rejects a NetworkPolicy that
 * breaks them.
 */
const Peers = v.array(
  v.pipe(
    v.strictObject({
      podSelector: v.optional(v.record(v.string(), v.unknown())),
      namespaceSelector: v.optional(v.record(v.string(), v.unknown())),
      ipBlock: v.optional(v.record(v.string(), v.unknown())),
    }),
    // The API server would reject a peer without a selector, or take it for everybody.
    v.check((peer) => Object.keys(peer).length > 0),
  ),
)

function peers(otherwise: readonly Json[]): Rule<readonly Json[]> {
  return (text) => {
    const value = json(text)
    if (value === undefined) return otherwise
    const read = v.safeParse(Peers, value)
    if (!read.success) throw new RangeError(' is not a list of peers, each with a selector')
    return read.output
  }
}

/** CIDRs with commas between them. */
const ranges: Rule<readonly string[]> = (text) => {
  const list = names(text)
  const wrong = list.find((range) => !isRange(range))
  if (wrong !== undefined) throw new RangeError(`: ${wrong} is no range such as 10.0.0.0/8`)
  return list
}

function isRange(text: string): boolean {
  const [address = '', bits = '', ...others] = text.split('/')
  const version = isIP(address)
  return (
    others.length === 0 && version !== 0 && /^\d+$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)
  )
}

const RULES = {
  coordinatorImage: required,
  workerImage: required,
  workerGpuImage: required,
  signingFolder: required,
  imagePullPolicy: oneOf(['IfNotPresent', 'Always', 'Never']),
  imagePullSecrets: names,
  metricsPeers: peers(DEFAULT_PEERS.metrics),
  dnsPeers: peers(DEFAULT_PEERS.dns),
  serverPeers: peers(DEFAULT_PEERS.servers),
  apiServerPeers: peers(DEFAULT_PEERS.apiServer),
  insideRanges: ranges,
  podTemplates: oneOf(POD_TEMPLATES),
  watchNamespaces: names,
  leaderElection: flag,
  leaseSeconds: count(LEASE_TIMES.durationSeconds, 3),
  probePort: port(8081),
  metricsPort: port(8080),
  workers: count(8),
  // A thousand jobs at once need more calls a second than client-go's default; the server answers 429 where they are
  // too many.
  qps: count(500),
  burst: count(1000),
  resyncSeconds: count(36_000),
  accountFolder: optional,
}

/** Throws FedsamError InvalidJob. `unique` is unique to this process. */
export function readEnvironment(env: Environment, unique: string): OperatorEnvironment {
  const read = readVariables(env, { ...IMAGES, ...OPERATOR }, RULES)
  const { probePort, metricsPort, workers, resyncSeconds } = read
  const elects = read.leaderElection ?? Boolean(env.POD_NAMESPACE)
  const election = {
    namespace: env.POD_NAMESPACE || 'default',
    identity: `${env.POD_NAME || 'operator'}_${unique}`,
    times: scaled(read.leaseSeconds),
  }
  return {
    settings: settingsFrom(read, env.POD_NAMESPACE),
    signingFolder: read.signingFolder,
    namespaces: read.watchNamespaces,
    ...(env.KUBECONFIG ? { kubeconfig: env.KUBECONFIG } : {}),
    accountFolder: read.accountFolder || undefined,
    probePort,
    metricsPort,
    workers,
    resyncSeconds,
    rate: { perSecond: read.qps, burst: read.burst },
    ...(elects ? { election } : {}),
  }
}

function settingsFrom(read: Read<typeof RULES>, home: string | undefined): OperatorEnvironment['settings'] {
  return {
    images: {
      coordinator: read.coordinatorImage,
      worker: read.workerImage,
      workerGpu: read.workerGpuImage,
    },
    pullPolicy: read.imagePullPolicy,
    pullSecrets: read.imagePullSecrets,
    peers: {
      metrics: read.metricsPeers,
      dns: read.dnsPeers,
      servers: read.serverPeers,
      apiServer: read.apiServerPeers,
      inside: read.insideRanges,
    },
    podTemplates: read.podTemplates,
    ...(home ? { home } : {}),
  }
}

/** The times of a lease of this duration, in client-go's proportions: 15 to 10 to 2. */
function scaled(durationSeconds: number): LeaseTimes {
  const part = durationSeconds / LEASE_TIMES.durationSeconds
  return {
    durationSeconds,
    renewSeconds: LEASE_TIMES.renewSeconds * part,
    retrySeconds: LEASE_TIMES.retrySeconds * part,
  }
}
