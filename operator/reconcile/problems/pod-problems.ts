// What is wrong with a pod, as a sentence for people: its node, its scheduling, its containers, or its volumes; the
// first that applies. Decides nothing. Pure.

import { conditionOf, field, holds, moment, text } from '../../objects/fields.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { containerProblem, containerStatuses } from './container-problems.ts'

/** Reasons of events about volumes and the network: no status reports these failures. */
const MOUNT = ['FailedMount', 'FailedAttachVolume', 'FailedCreatePodSandBox']
/** Reasons of events about a claim that cannot be created or bound: a quota, a missing storage class. */
const CLAIM = ['FailedBinding', 'ProvisioningFailed']

/** Milliseconds after its deletion time from which a pod counts as stuck: its node does not answer. */
const STUCK_MS = 60_000

/** The facts beside the pod itself. */
interface PodFacts {
  /** Milliseconds since 1970; without it no pod counts as stuck. */
  readonly now?: number
  /** The memory limit of the container of this name; undefined without one. */
  readonly memoryLimit?: (container: string) => string | undefined
}

/** The problem of a pod, or undefined where none is known. */
export function podProblem(
  pod: KubernetesObject,
  warnings: readonly Warning[],
  facts: PodFacts = {},
): string | undefined {
  const { now = Number.NEGATIVE_INFINITY } = facts
  return (
    nodeProblem(pod, now) ??
    schedulingProblem(pod, warnings) ??
    containersProblem(pod, facts) ??
    volumeProblem(pod, warnings)
  )
}

/** When a pod that is being deleted counts as stuck. */
export function stuckAt({ metadata }: KubernetesObject): number | undefined {
  const deleted = moment(metadata.deletionTimestamp)
  return deleted === undefined ? undefined : deleted + STUCK_MS
}

function nodeProblem(pod: KubernetesObject, now: number): string | undefined {
  const node = text(field(pod.spec, 'nodeName'))
  const disrupted = conditionOf(pod, 'DisruptionTarget')
  const why = disrupted?.status === 'True' ? `${text(disrupted.reason)}: ${text(disrupted.message)}` : ''
  const reason = text(field(pod.status, 'reason'))
  if (reason === 'Evicted') return `evicted from node ${node}: ${text(field(pod.status, 'message'))}`
  const at = stuckAt(pod)
  const stuck = at !== undefined && at <= now
  if (!stuck && reason !== 'NodeLost') return undefined
  const cause = [why, reason].filter(Boolean).join(', ')
  return (
    `node ${node} does not end the pod${cause === '' ? '' : ` (${cause})`}; ` +
    'its replacement starts when the node answers again or is removed from the cluster'
  )
}

function schedulingProblem(pod: KubernetesObject, warnings: readonly Warning[]): string | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled')
  if (scheduled?.status !== 'False') return undefined
  // The scheduler reports that it waits for a claim; only an event reports why the claim is missing.
  const claim = lastWarning(pod, warnings, CLAIM)
  return `pending, ${text(scheduled.message) || text(scheduled.reason)}${claim ? `; ${claim}` : ''}`
}

function containersProblem(pod: KubernetesObject, { memoryLimit }: PodFacts): string | undefined {
  const ready = isReady(pod)
  for (const status of containerStatuses(pod)) {
    const limit = memoryLimit?.(text(status.name))
    const problem = containerProblem(status, { podReady: ready, memoryLimit: limit })
    if (problem !== undefined) return problem
  }
  return undefined
}

function volumeProblem(pod: KubernetesObject, warnings: readonly Warning[]): string | undefined {
  if (isReady(pod) || text(field(pod.status, 'phase')) === 'Running') return undefined
  return lastWarning(pod, warnings, [...MOUNT, ...CLAIM])
}

function lastWarning(
  { metadata }: KubernetesObject,
  warnings: readonly Warning[],
  reasons: readonly string[],
): string | undefined {
  return warnings.findLast(
    ({ kind, name, reason }) => kind === 'Pod' && name === metadata.name && reasons.includes(reason),
  )?.message
}

export function isReady(pod: KubernetesObject): boolean {
  return holds(pod, 'Ready')
}
