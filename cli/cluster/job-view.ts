// A job as its owner wants to see it: state, rounds, every client with what became of it and why, what is waited for, the output.
// Pure: from what is known to plain data, which --json prints and render/status.ts writes as text.

import { PARTITION_LABEL, ROLE_LABEL } from '#operator/reconcile/labels.ts'
import type { KubernetesObject } from '#operator/reconcile/objects.ts'
import { isReady, podProblem } from '#operator/reconcile/pod-problems.ts'
import type { JobState } from '#protocol/conditions.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type {
  CompleteFederatedJobSpec,
  FederatedJobStatus,
  StatusCondition,
  TrainingRound,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import type { Outcome } from '#protocol/outcomes.ts'
import type { JobFacts } from './job-facts.ts'

/** A client's outcome where the coordinator named one; else what its pod shows. */
export type ClientState =
  | Outcome
  | 'Present' // its pod is ready
  | 'Starting'
  | 'Missing' // no pod, or one that cannot run
  | 'External' // no pod is made for it
  | 'Over' // the run is over
  | 'Unknown' // pods may not be looked at

export interface ClientView {
  readonly name: string
  readonly state: ClientState
  /** One word for programs, or empty. */
  readonly reason: string
  readonly message: string
}

export interface JobView {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** New: the operator has not looked at it yet. */
  readonly state: JobState | 'New'
  readonly reason: string
  readonly message: string
  readonly round: number
  readonly rounds: number
  readonly attempt: number
  readonly coordinator: number
  readonly metrics: Readonly<Record<string, number>>
  readonly best: TrainingStatus['best'] | null
  readonly conditions: readonly StatusCondition[]
  readonly available: number | null
  readonly needed: number
  readonly clients: readonly ClientView[]
  readonly waitsFor: readonly string[]
  readonly history: readonly TrainingRound[]
  readonly output: TrainingStatus['output'] | null
}

/** Everything that is shown of a job. */
export function viewOf(facts: JobFacts): JobView {
  const { metadata, status } = facts.job
  const spec = completeSpec(facts.job.spec)
  // What an earlier job of this name left says nothing about this one.
  const training = status?.training?.uid === metadata.uid ? status.training : undefined
  const { state, leading } = stateOf(status)
  const over = state === 'Complete' || state === 'Failed'
  const clients = spec.partitions.map((partition) => clientView(partition, facts, training, over))
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    state,
    reason: leading?.reason ?? '',
    message: leading?.message ?? '',
    round: training?.round ?? 0,
    rounds: spec.rounds,
    attempt: training?.attempt ?? 0,
    coordinator: training?.epoch ?? 0,
    metrics: training?.metrics ?? {},
    best: training?.best ?? null,
    conditions: status?.conditions ?? [],
    available: training?.clients?.available ?? null,
    needed: spec.strategy.minAvailableClients,
    clients,
    waitsFor: over ? [] : waitsFor(facts, training, state, clients),
    history: training?.rounds ?? [],
    output: training?.output ?? null,
  }
}

/** Which conditions say a state, the first that holds: the other way round of protocol/conditions.ts. */
const TELLING: readonly (readonly [JobState, string, string])[] = [
  ['Complete', 'Complete', 'True'],
  ['Failed', 'Failed', 'True'],
  ['Suspended', 'Suspended', 'True'],
  ['Waiting', 'Reconciling', 'True'],
  ['Training', 'Ready', 'True'],
  ['QuorumLost', 'Ready', 'False'],
]

/** The state that the conditions say, and the one that says it. */
export function stateOf(status: FederatedJobStatus | undefined): {
  state: JobView['state']
  leading?: StatusCondition
} {
  for (const [state, type, truth] of TELLING) {
    const leading = status?.conditions?.find(
      (condition) => condition.type === type && condition.status === truth,
    )
    if (leading) return { state, leading }
  }
  return { state: 'New' }
}

type Partition = CompleteFederatedJobSpec['partitions'][number]

function clientView(
  { name, external }: Partition,
  { pods, events }: JobFacts,
  training: TrainingStatus | undefined,
  over: boolean,
): ClientView {
  const absent = training?.clients?.absent?.find((client) => client.name === name)
  const own = pods?.filter(({ metadata: { labels } }) => labels?.[PARTITION_LABEL] === name) ?? null
  const shown: { state: ClientState; message: string } = over
    ? { state: 'Over', message: '' }
    : external
      ? { state: 'External', message: '' }
      : podState(own, events)
  return {
    name,
    state: absent?.outcome ?? shown.state,
    reason: absent?.reason ?? '',
    // A pod's problem explains why a client is unreachable; nothing else explains what its update lacked.
    message: shown.message || absent?.message || '',
  }
}

function podState(
  pods: readonly KubernetesObject[] | null,
  events: JobFacts['events'],
): { state: ClientState; message: string } {
  if (pods === null) return { state: 'Unknown', message: '' }
  if (pods.some(isReady)) return { state: 'Present', message: '' }
  const problem = pods.map((pod) => podProblem(pod, events)).findLast((text) => text !== undefined)
  if (problem !== undefined) return { state: 'Missing', message: problem }
  const alive = pods.filter(({ status }) => status?.phase !== 'Failed' && status?.phase !== 'Succeeded')
  return alive.length > 0
    ? { state: 'Starting', message: '' }
    : { state: 'Missing', message: 'it has no pod' }
}

function waitsFor(
  { job: { metadata, status, spec }, pods, events }: JobFacts,
  training: TrainingStatus | undefined,
  state: JobView['state'],
  clients: readonly ClientView[],
): string[] {
  const behind = (status?.observedGeneration ?? -1) !== (metadata.generation ?? 1)
  const coordinators = (pods ?? []).filter(
    ({ metadata: { labels } }) => labels?.[ROLE_LABEL] === 'coordinator',
  )
  const coordinator = coordinators.some(isReady) ? undefined : podState(coordinators, events).message
  const managed = spec.managedBy
  return [
    ...(metadata.deletionTimestamp ? ['the job is being deleted'] : []),
    ...(managed ? [`${managed}, which manages this job`] : []),
    ...(behind && !managed ? ['the operator, which has not seen this version of the job yet'] : []),
    ...(state === 'Suspended'
      ? [
          `spec.suspend to be false: kubectl -n ${metadata.namespace} patch fj ${metadata.name} --type merge -p '{"spec":{"suspend":false}}'`,
        ]
      : []),
    ...(training?.pauseUntil
      ? [`${training.pauseUntil}: no attempt begins before, since too few clients were there`]
      : []),
    ...(coordinators.length > 0 && coordinator ? [`the coordinator: ${coordinator}`] : []),
    ...clients
      .filter(
        (client) =>
          client.state === 'Missing' || client.state === 'Starting' || client.state === 'Unreachable',
      )
      .map((client) => [client.name, client.message].filter(Boolean).join(': ')),
  ]
}
