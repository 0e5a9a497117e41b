// The view of a job for its owner: state, rounds, every client with its outcome and reason, what the job waits for, and the
// output. Pure: converts facts to plain data, which --json prints and render/status.ts formats.

import { type SiteState, siteProblemText, siteStates } from '#operator/reconcile/problems/missing-sites.ts'
import { isReady } from '#operator/reconcile/problems/pod-problems.ts'
import type { JobState } from '#protocol/conditions.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type {
  CompleteFederatedJobSpec,
  FederatedJobStatus,
  StatusCondition,
  TrainingRound,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import { PARTITION_LABEL, ROLE_LABEL } from '#protocol/labels.ts'
import { runPrefix } from '#protocol/names.ts'
import type { Outcome } from '#protocol/outcomes.ts'
import { outlierText } from '#protocol/outliers.ts'
import type { JobFacts, PodFact } from './job-facts.ts'

/** A client's outcome where the coordinator named one; otherwise the state of its pod, or of its site. */
export type ClientState =
  | Outcome
  | 'Present' // its pod is ready
  | 'Starting'
  | 'Missing' // no pod, or one that cannot run or cannot be created
  | 'Suspended' // its pod was deleted, because the job is suspended or pauses
  | 'Over' // the run is over
  | 'Unknown' // the caller has no right to list pods
  // Of a site, which has no pod:
  | 'Connected'
  | 'Away' // it was connected before
  | 'NeverHeard'

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
  /** New: the operator has not seen it yet. */
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
  /** The address of the record, s3://bucket/prefix; null where the job names no bucket. */
  readonly record: string | null
  /** The round of another run that the job starts from. */
  readonly resumeFrom: CompleteFederatedJobSpec['resumeFrom'] | null
  readonly output: TrainingStatus['output'] | null
}

/** The whole view of a job. */
export function viewOf(facts: JobFacts): JobView {
  const { metadata, status } = facts.job
  const spec = completeSpec(facts.job.spec)
  // Ignore objects of an earlier job of the same name.
  const training = status?.training?.uid === metadata.uid ? status.training : undefined
  const { state, leading } = stateOf(status)
  const frame = { facts, training, state, spec, sites: siteStates({ spec, training }) }
  const clients = spec.partitions.map((partition) => clientView(partition, frame))
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
    waitsFor: waitsFor(frame, clients),
    history: training?.rounds ?? [],
    record: recordOf(metadata, spec),
    resumeFrom: spec.resumeFrom ?? null,
    output: training?.output ?? null,
  }
}

function recordOf(
  { namespace, name, uid }: JobFacts['job']['metadata'],
  { storage }: CompleteFederatedJobSpec,
): string | null {
  const s3 = storage?.s3
  return s3 ? `s3://${s3.bucket}/${runPrefix(s3.prefix, { namespace, name, uid })}` : null
}

/** States by condition; the first condition that holds decides. The inverse of protocol/conditions.ts. */
const TELLING: readonly (readonly [JobState, string, string])[] = [
  ['Complete', 'Complete', 'True'],
  ['Failed', 'Failed', 'True'],
  ['Suspended', 'Suspended', 'True'],
  ['Waiting', 'Reconciling', 'True'],
  ['Training', 'Ready', 'True'],
  ['QuorumLost', 'Ready', 'False'],
]

/** The state by the conditions, and the condition that decides it. */
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

/** The facts that all clients of a job share. */
interface Frame {
  readonly facts: JobFacts
  readonly training: TrainingStatus | undefined
  readonly state: JobView['state']
  readonly spec: CompleteFederatedJobSpec
  readonly sites: ReadonlyMap<string, SiteState>
}

/** A connected site about which there is nothing else to say shows the version of its agent. */
function clientView(partition: Partition, frame: Frame): ClientView {
  const view = viewOfClient(partition, frame)
  const site = frame.sites.get(view.name)
  if (view.message !== '' || view.state !== 'Connected' || site?.kind !== 'Connected') return view
  const { version } = site
  return version === undefined
    ? view
    : { ...view, message: `its agent speaks version ${version} of the conversation` }
}

function viewOfClient({ name }: Partition, frame: Frame): ClientView {
  const absent = frame.training?.clients?.absent?.find((client) => client.name === name)
  const site = frame.sites.get(name)
  if (site !== undefined && absent?.outcome === 'Unreachable')
    return { name, reason: '', ...siteView(site, frame) }
  const pod = site === undefined ? workerState(name, frame) : siteView(site, frame)
  // A pod's problem explains a missing client, but not a rejected update.
  const unheard = absent === undefined || absent.outcome === 'Unreachable'
  const said = absent?.message ?? ''
  const state = absent?.outcome ?? pod.state
  const message = unheard ? pod.message || said : said || pod.message
  if (absent !== undefined || message !== '') return { name, state, reason: absent?.reason ?? '', message }
  return { name, state, ...(outlierOf(name, frame) ?? evaluationOf(name, frame)) }
}

/** A client with a figure far above those of the others. */
function outlierOf(name: string, { training }: Frame): Pick<ClientView, 'reason' | 'message'> | undefined {
  const own = (training?.clients?.outliers ?? []).filter((outlier) => outlier.name === name)
  if (own.length === 0) return undefined
  const texts = own.map(({ measure, value = 0, median = 0 }) => outlierText({ measure, value, median }))
  return { reason: 'Outlier', message: `round ${own[0]!.round ?? '?'}: ${texts.join('; ')}` }
}

/** The failed evaluation of a client whose updates may still count. */
function evaluationOf(name: string, { training }: Frame): Pick<ClientView, 'reason' | 'message'> {
  const failed = training?.clients?.notEvaluated?.find(
    (client) => client.name === name && client.outcome === 'Failed',
  )
  if (failed === undefined) return { reason: '', message: '' }
  return { reason: 'EvaluationFailed', message: failed.message ?? '' }
}

interface PodState {
  readonly state: ClientState
  readonly message: string
}

function siteView(site: SiteState, { spec, state }: Frame): PodState {
  if (isOver(state)) return { state: 'Over', message: '' }
  if (state === 'Suspended') return { state, message: '' }
  return { state: site.kind === 'NoKey' ? 'Missing' : site.kind, message: siteProblemText(site, { spec }) }
}

function workerState(name: string, { facts: { pods, uncreated }, training, state }: Frame): PodState {
  if (isOver(state)) return { state: 'Over', message: '' }
  const refused = uncreated.find(({ partition }) => partition === name)
  if (refused) return { state: 'Missing', message: refused.problem }
  const own = pods?.filter(({ pod }) => pod.metadata.labels?.[PARTITION_LABEL] === name) ?? null
  const paused = state === 'Suspended' || training?.pauseUntil !== undefined
  return paused && own?.length === 0 ? { state: 'Suspended', message: '' } : podState(own)
}

function podState(pods: readonly PodFact[] | null): PodState {
  if (pods === null) return { state: 'Unknown', message: '' }
  if (pods.some(({ pod }) => isReady(pod))) return { state: 'Present', message: '' }
  const problem = pods.findLast((fact) => fact.problem !== undefined)?.problem
  if (problem !== undefined) return { state: 'Missing', message: problem }
  const ended = ['Failed', 'Succeeded']
  const alive = pods.filter(({ pod }) => !ended.includes(String(pod.status?.phase)))
  return alive.length > 0
    ? { state: 'Starting', message: '' }
    : { state: 'Missing', message: 'it has no pod' }
}

function isOver(state: JobView['state']): boolean {
  return state === 'Complete' || state === 'Failed'
}

const NOT_THERE: readonly ClientState[] = [
  'Away',
  'NeverHeard',
  'Missing',
  'Starting',
  'Unreachable',
  'Unknown',
]

function waitsFor({ facts, training, state }: Frame, clients: readonly ClientView[]): string[] {
  const { metadata, spec } = facts.job
  if (isOver(state)) return metadata.deletionTimestamp ? ['its deletion'] : []
  const { cohort = 0, accepted = 0 } = training?.clients ?? {}
  const missing = clients.filter((client) => NOT_THERE.includes(client.state)).map(({ name }) => name)
  return [
    ...(metadata.deletionTimestamp ? ['its deletion'] : []),
    ...(spec.managedBy ? [`${spec.managedBy}, which manages this job`] : operatorBehind(facts)),
    ...(state === 'Suspended' ? ['spec.suspend to be false'] : []),
    ...(training?.pauseUntil
      ? [`${training.pauseUntil}: no attempt starts before, because too few clients were available`]
      : []),
    ...coordinatorProblem(facts),
    ...(state === 'Training' && accepted < cohort ? [`updates: ${accepted} of ${cohort} are in`] : []),
    ...((state === 'Waiting' || state === 'QuorumLost') && missing.length > 0
      ? [`clients: ${missing.join(', ')}`]
      : []),
  ]
}

function operatorBehind({ job: { metadata, status } }: JobFacts): string[] {
  const seen = (status?.observedGeneration ?? -1) === (metadata.generation ?? 1)
  return seen ? [] : ['the operator, which has not seen this version of the job yet']
}

function coordinatorProblem({ pods, uncreated }: JobFacts): string[] {
  const refused = uncreated.find(({ partition }) => partition === undefined)
  if (refused) return [`the coordinator: ${refused.problem}`]
  const own = (pods ?? []).filter(({ pod }) => pod.metadata.labels?.[ROLE_LABEL] === 'coordinator')
  const { message } = podState(own)
  return own.length > 0 && message ? [`the coordinator: ${message}`] : []
}
