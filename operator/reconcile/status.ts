// The operator's part of the status, rebuilt from facts in each pass: conditions, times, and the text of the columns. Pure.
import { type Condition, conditionsFor, withTransitionTimes } from '#protocol/conditions.ts'
import type { CompleteFederatedJobSpec, StatusSummary } from '#protocol/generated/federatedjob.ts'
import { workerName } from '#protocol/names.ts'
import { PARTITION_LABEL, ROLE_LABEL } from './labels.ts'
import type { Announcement, KubernetesObject, Observed, OperatorStatus } from './objects.ts'
import { isReady, jobFailure, podProblem } from './pod-problems.ts'
import { trainingOf, type Verdict } from './state.ts'

/** Kubernetes' times have whole seconds. */
export function timestamp(milliseconds: number): string {
  return new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** Conditions' messages are bounded by the schema. */
const LONGEST = 1024
const bounded = (text: string): string => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`)

/** The status that the verdict makes. */
export function statusFor(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  verdict: Verdict,
): OperatorStatus {
  const { job, now } = observed
  const missing = missingClients(observed, spec)
  const ready = observed.pods.filter((pod) => pod.metadata.labels?.[ROLE_LABEL] === 'worker' && isReady(pod))
  const available = trainingOf(observed)?.clients?.available ?? ready.length
  const wanted = conditionsFor(verdict.state, {
    generation: job.metadata.generation ?? 1,
    waitingFor: verdict.waitingFor ?? 'Starting',
    failure: verdict.failure ?? 'CoordinatorFailed',
    message: verdict.message ?? '',
    available,
    needed: spec.strategy.minAvailableClients,
    missing,
  }).map((condition) => ({ ...condition, message: bounded(condition.message) }))
  const time = timestamp(now)
  const over = verdict.state === 'Complete' || verdict.state === 'Failed'
  return {
    observedGeneration: job.metadata.generation ?? 1,
    startTime: job.status?.startTime ?? time,
    ...(over ? { completionTime: job.status?.completionTime ?? time } : {}),
    summary: summaryFor(observed, spec, verdict, available),
    conditions: withTransitionTimes(wanted, (job.status?.conditions ?? []) as readonly Condition[], time),
  }
}

/** Partitions without a running worker whose reason is known, in the order of the spec. */
function missingClients(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
): { client: string; reason: string }[] {
  const { job, pods, children } = observed
  return spec.partitions.flatMap(({ name, external }) => {
    if (external) return []
    const worker = children.find(
      ({ kind, metadata }) => kind === 'Job' && metadata.name === workerName(job.metadata.name, name),
    )
    const own = pods.filter(({ metadata }) => metadata.labels?.[PARTITION_LABEL] === name)
    const reason = (worker && jobFailure(worker)) ?? latestProblem(own, observed)
    const absent = trainingOf(observed)?.clients?.absent?.find((client) => client.name === name)
    const said =
      reason ?? (absent && [absent.outcome, absent.message ?? absent.reason].filter(Boolean).join(', '))
    return said === undefined ? [] : [{ client: name, reason: said.slice(0, 300) }]
  })
}

function latestProblem(own: readonly KubernetesObject[], { events }: Observed): string | undefined {
  if (own.some(isReady)) return undefined
  const problems = own.map((pod) => podProblem(pod, events)).filter((problem) => problem !== undefined)
  const last = problems.at(-1)
  return problems.length > 1 ? `${last} (${problems.length} pods)` : last
}

function summaryFor(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  verdict: Verdict,
  available: number,
): StatusSummary {
  const training = trainingOf(observed)
  const metric = spec.evaluation?.bestBy?.metric
  const value = metric === undefined ? undefined : training?.metrics?.[metric]
  const loss = training?.metrics?.loss
  const uri = training?.output?.uri
  return {
    state: verdict.state,
    round: `${training?.round ?? 0}/${spec.rounds}`,
    clients: `${available}/${spec.partitions.length}`,
    ...(value === undefined ? {} : { metric: `${metric} ${value.toFixed(3)}` }),
    ...(loss === undefined ? {} : { loss: loss.toFixed(3) }),
    message: bounded(verdict.message ?? '').slice(0, 500),
    ...(uri ? { output: uri } : {}),
  }
}

/** One event per condition that became true and was not, about what people wait for. */
export function announce(observed: Observed, status: OperatorStatus): Announcement[] {
  const before = observed.job.status?.conditions ?? []
  const holds = (type: string, reason: string): boolean =>
    before.some(
      (condition) => condition.type === type && condition.status === 'True' && condition.reason === reason,
    )
  const told = ['Reconciling', 'Suspended', 'Complete', 'Failed']
  return status.conditions
    .filter(
      ({ type, status: truth, reason }) => told.includes(type) && truth === 'True' && !holds(type, reason),
    )
    .map(({ type, reason, message }) => ({ type: type === 'Failed' ? 'Warning' : 'Normal', reason, message }))
}
