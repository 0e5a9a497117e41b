// What the operator reads of its environment, in one place, all errors at once. The chart's Deployment sets these.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { type Environment, requireVariables } from '#runtime/environment.ts'
import type { Rate } from './kubernetes/client/throttle.ts'
import { LEASE_TIMES, type LeaseTimes } from './kubernetes/election/lease.ts'
import type { Settings } from './objects/settings.ts'
import { DEFAULT_PEERS } from './reconcile/pods/network-policies.ts'

export interface OperatorEnvironment {
  readonly settings: Settings
  /** The namespaces that are watched; all where there are none. */
  readonly namespaces: readonly string[]
  /** A file; where it is absent the pod's own account is used. */
  readonly kubeconfig?: string
  /** Where the pod's own account lies, where that is not the usual place. */
  readonly accountFolder: string | undefined
  readonly probePort: number
  readonly metricsPort: number
  readonly workers: number
  readonly rate: Rate
  readonly resyncSeconds: number
  /** Absent: this operator leads without asking. */
  readonly election?: { readonly namespace: string; readonly identity: string; readonly times: LeaseTimes }
}

const count = (otherwise: number, least = 1) =>
  v.pipe(
    v.optional(v.string(), String(otherwise)),
    v.digits('is no whole number'),
    v.transform(Number),
    v.minValue(least),
  )

/** A list of NetworkPolicyPeer as JSON. Only the API server knows all of its rules: it refuses a NetworkPolicy that breaks them. */
function peers() {
  const Peer = v.pipe(
    v.strictObject({
      podSelector: v.optional(v.record(v.string(), v.unknown())),
      namespaceSelector: v.optional(v.record(v.string(), v.unknown())),
      ipBlock: v.optional(v.record(v.string(), v.unknown())),
    }),
    // A peer that says nothing would be refused, or taken for everybody.
    v.check((peer) => Object.keys(peer).length > 0, 'has a peer without a selector'),
  )
  return v.optional(
    v.pipe(v.string(), v.parseJson(undefined, 'is no JSON'), v.array(Peer, 'is no list of peers')),
  )
}

/** A thousand jobs at once need more calls a second than client-go's habit; the server says when they are too many. */
const Variables = v.object({
  FEDSAM_IMAGE_PULL_POLICY: v.optional(v.picklist(['Always', 'IfNotPresent', 'Never']), 'IfNotPresent'),
  FEDSAM_PROBE_PORT: count(8081, 0),
  FEDSAM_METRICS_PORT: count(8080, 0),
  FEDSAM_WORKERS: count(8),
  FEDSAM_QPS: count(500),
  FEDSAM_BURST: count(1000),
  FEDSAM_RESYNC_SECONDS: count(36_000),
  FEDSAM_LEASE_SECONDS: count(LEASE_TIMES.durationSeconds, 3),
  FEDSAM_LEADER_ELECTION: v.optional(v.picklist(['true', 'false'])),
  FEDSAM_METRICS_PEERS: peers(),
  FEDSAM_DNS_PEERS: peers(),
})

/** Throws FedsamError InvalidJob. `unique` is of this process alone. */
export function readEnvironment(env: Environment, unique: string): OperatorEnvironment {
  const names = ['FEDSAM_COORDINATOR_IMAGE', 'FEDSAM_WORKER_IMAGE', 'FEDSAM_WORKER_GPU_IMAGE'] as const
  const images = requireVariables(env, names)
  const set = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const read = v.safeParse(Variables, set)
  if (!read.success) {
    const wrong = read.issues.map(({ path, message }) => `${path?.[0]?.key}: ${message}`)
    throw new FedsamError('InvalidJob', wrong.join('; '), { remedy: 'docs/programs.md lists the variables' })
  }
  const given = read.output
  const elects = given.FEDSAM_LEADER_ELECTION ?? (env.POD_NAMESPACE ? 'true' : 'false')
  return {
    settings: {
      images: {
        coordinator: images.FEDSAM_COORDINATOR_IMAGE,
        worker: images.FEDSAM_WORKER_IMAGE,
        workerGpu: images.FEDSAM_WORKER_GPU_IMAGE,
      },
      pullPolicy: given.FEDSAM_IMAGE_PULL_POLICY,
      pullSecrets: listed(env.FEDSAM_IMAGE_PULL_SECRETS),
      peers: {
        metrics: given.FEDSAM_METRICS_PEERS ?? DEFAULT_PEERS.metrics,
        dns: given.FEDSAM_DNS_PEERS ?? DEFAULT_PEERS.dns,
      },
    },
    namespaces: listed(env.FEDSAM_WATCH_NAMESPACES),
    ...(env.KUBECONFIG ? { kubeconfig: env.KUBECONFIG } : {}),
    accountFolder: env.FEDSAM_ACCOUNT_FOLDER || undefined,
    probePort: given.FEDSAM_PROBE_PORT,
    metricsPort: given.FEDSAM_METRICS_PORT,
    workers: given.FEDSAM_WORKERS,
    rate: { perSecond: given.FEDSAM_QPS, burst: given.FEDSAM_BURST },
    resyncSeconds: given.FEDSAM_RESYNC_SECONDS,
    ...(elects === 'true'
      ? {
          election: {
            namespace: env.POD_NAMESPACE || 'default',
            identity: `${env.POD_NAME || 'operator'}_${unique}`,
            times: scaled(given.FEDSAM_LEASE_SECONDS),
          },
        }
      : {}),
  }
}

function listed(names: string | undefined): string[] {
  return [...new Set((names ?? '').split(',').map((name) => name.trim()))].filter((name) => name !== '')
}

/** client-go's proportions, 15 to 10 to 2. */
function scaled(durationSeconds: number): LeaseTimes {
  const part = durationSeconds / LEASE_TIMES.durationSeconds
  return {
    durationSeconds,
    renewSeconds: LEASE_TIMES.renewSeconds * part,
    retrySeconds: LEASE_TIMES.retrySeconds * part,
  }
}
