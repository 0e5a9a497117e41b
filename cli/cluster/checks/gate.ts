// Checks whether a gate admits the pods of a job to the bus, and reads from its log which of them it refused, and why. NATS tells a
// refused client nothing.

import { REFUSALS, type Refusal } from '#gate/authenticators/authenticator.ts'
import type { RefusalLine } from '#gate/refusals.ts'
import type { KubernetesObject, StoredJob } from '#operator/objects/shapes.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { GATE_LABELS, selectorOf } from '#protocol/labels.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import type { Cluster } from '../connect.ts'
import { DEPLOYMENTS, PODS, pathFor } from '../questions.ts'
import { type Finding, ok, problem, unseen } from './finding.ts'
import type { Deployment } from './operator.ts'

const SUBJECT = 'gate'
/** Seconds of the log that count: a pod that is refused tries again all the time. */
const LOG_SECONDS = 900
/** Lines of each gate's log that are read. */
const LOG_LINES = 2000
/** Members that are named. */
const NAMED = 8

/** What a person can do about each refusal. Refusals that are not here concern no pod and no site of a job. */
const REMEDIES: Partial<Readonly<Record<Refusal, string>>> = {
  NoToken: 'recreate the pod: pods from before the gate have no token for the bus',
  BadToken: 'see that the pod runs in this cluster, and that the API server serves its keys',
  TokenExpired: "see that the node's kubelet renews the token, and that the clocks of the nodes agree",
  OtherAudience:
    'recreate the pod; if it was not created by the operator, somebody tries to take the place of this member',
  OtherAccount:
    'recreate the pod; if it was not created by the operator, somebody tries to take the place of this member',
  OtherConnection: 'correct the URL of the NATS server: tls://... for a pod, wss://... for a site',
  BadSignature:
    "restart the site; if the address is not the site's, somebody tries to use its key without having it",
  BadJobList: 'correct the list of jobs in the file of the site, and restart it',
  TooManyConnections:
    'see that the site runs once, and that no proxy in its way cuts the connection all the time',
  KeysUnreachable: "see that the gate's pod may reach the API server",
}

/** The gates of the cluster; for a job that exists also the members that they refused lately. */
export async function checkGate(
  cluster: Cluster,
  spec: CompleteFederatedJobSpec,
  stored: StoredJob | undefined,
): Promise<Finding[]> {
  // The NATS server itself knows these credentials.
  if (spec.messaging?.nats.credentialsSecretName) return []
  const query = { labelSelector: selectorOf(GATE_LABELS) }
  const { items } = await cluster.ask<{ items: Deployment[] }>({ ...DEPLOYMENTS, query })
  if (items.length === 0)
    return [
      unseen(
        SUBJECT,
        'the chart has no gate here, and the job names no NATS credentials: any program that reaches the NATS server can read the messages of this job',
        'install the chart with gate.enabled=true, or name a Secret in spec.messaging.nats.credentialsSecretName',
      ),
    ]
  const found = items.map(judgeGate)
  if (stored === undefined) return found
  for (const { metadata } of items) found.push(...(await refusedBy(cluster, metadata.namespace, stored)))
  return found
}

function judgeGate({ metadata: { namespace, name }, spec, status }: Deployment): Finding {
  const ready = status?.readyReplicas ?? 0
  const says = `${namespace}/${name}: ${ready} of ${spec.replicas ?? 1} ready`
  if (ready > 0) return ok(SUBJECT, says)
  return problem(
    SUBJECT,
    `${says}; no new pod can connect to the bus`,
    `see why: kubectl -n ${namespace} describe deployment ${name}; kubectl -n ${namespace} logs deployment/${name}`,
  )
}

async function refusedBy(cluster: Cluster, namespace: string, job: StoredJob): Promise<Finding[]> {
  const query = { labelSelector: selectorOf(GATE_LABELS) }
  const { items } = await cluster.ask<{ items: KubernetesObject[] }>({ ...PODS, namespace, query })
  const lines: RefusalLine[] = []
  for (const { metadata } of items) {
    for await (const line of logOf(cluster, namespace, metadata.name)) {
      const refusal = refusalOf(line)
      if (refusal !== undefined && concerns(refusal, job)) lines.push(refusal)
    }
  }
  return judgeRefusals(lines, job)
}

async function* logOf(cluster: Cluster, namespace: string, pod: string): AsyncGenerator<string> {
  const query = { tailLines: String(LOG_LINES), sinceSeconds: String(LOG_SECONDS) }
  const path = `${pathFor({ ...PODS, namespace, name: pod })}/log?${new URLSearchParams(query)}`
  try {
    yield* cluster.client.text({ path }, 60)
  } catch (error) {
    const explained = cluster.explain(error, `get pods/log ${pod} in namespace ${namespace}`)
    if (!(explained instanceof ApiError)) throw explained // a pod that starts has no log yet
  }
}

/** Whether the line is about a member of the job, or about a site whose key the job names. */
export function concerns(line: RefusalLine, job: StoredJob): boolean {
  return 'site' in line ? siteNames(job).has(line.site) : line.run === job.metadata.uid
}

/** The names of the external partitions, by their keys. */
function siteNames({ spec }: StoredJob): ReadonlyMap<unknown, string> {
  return new Map(
    spec.partitions.flatMap(({ name, external }) =>
      external ? [[(external as { readonly publicKey?: unknown }).publicKey, name]] : [],
    ),
  )
}

/** A line of the gate's log about a refused member or site; undefined for any other line. */
export function refusalOf(line: string): RefusalLine | undefined {
  if (!line.includes('"refused"')) return undefined
  try {
    const read = JSON.parse(line) as RefusalLine
    const who = 'site' in read ? read.site : read.member
    return read.refused in REFUSALS && typeof who === 'string' ? read : undefined
  } catch {
    return undefined
  }
}

/** One problem for each refused member: its last refusal. */
export function judgeRefusals(lines: readonly RefusalLine[], job: StoredJob): Finding[] {
  const names = siteNames(job)
  const whoOf = (line: RefusalLine): string => {
    if ('site' in line) return names.get(line.site) ?? line.site
    return line.member.slice(line.member.indexOf('/') + 1).replace(/^client\//, '')
  }
  const last = new Map(lines.map((line) => ['site' in line ? line.site : line.member, line]))
  if (last.size === 0) return [ok(SUBJECT, 'it refused no member of this job lately')]
  const findings = [...last.values()].slice(0, NAMED).map((line) => {
    const { refused, host } = line
    return problem(
      SUBJECT,
      `${whoOf(line)} at ${host} was refused: ${REFUSALS[refused]}`,
      REMEDIES[refused] ?? '',
    )
  })
  const more = last.size - findings.length
  return more > 0 ? [...findings, problem(SUBJECT, `and ${more} more members were refused`, '')] : findings
}
