// The conditions of a FederatedJob, compatible with kstatus: one table from the job's state to all conditions. Pure. The operator
// writes them, and keeps lastTransitionTime by withTransitionTimes. Reasons are for programs, messages for people; no program
// parses either.

import { type Outlier, outlierText } from './outliers.ts'
import type { FailureReason, WaitingReason } from './reasons.ts'
import { listed, shortened } from './text.ts'

/** What a job does now. */
export type JobState = 'Waiting' | 'Training' | 'QuorumLost' | 'Suspended' | 'Complete' | 'Failed'

type ConditionType =
  | 'Ready'
  | 'Reconciling'
  | 'Stalled'
  | 'QuorumAvailable'
  | 'Suspended'
  | 'Complete'
  | 'Failed'
  | 'Insecure'
  | 'Outliers'

type Truth = 'True' | 'False' | 'Unknown'

/** A condition without its transition time. */
export interface WantedCondition {
  readonly type: ConditionType
  readonly status: Truth
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

/** A condition as Kubernetes writes it (metav1.Condition). */
export interface Condition extends WantedCondition {
  /** RFC 3339, when status last changed. */
  readonly lastTransitionTime: string
}

/** The facts that the conditions report. */
export interface ConditionFacts {
  /** metadata.generation of the spec that the pass read. */
  readonly generation: number
  readonly waitingFor: WaitingReason
  readonly failure: FailureReason
  /** A sentence for people: the reason, and what to do. Empty: the state's own message. */
  readonly message: string
  /** How many clients are available, and how many the strategy needs. */
  readonly available: number
  readonly needed: number
  /** The missing clients, each with its reason: "pending on nvidia.com/gpu". */
  readonly missing: readonly { readonly client: string; readonly reason: string }[]
  /** Clients of the newest round that are far from the others. */
  readonly outliers: readonly Outlier[]
  /** Whether the job allows connections without TLS, and the addresses that it has without. */
  readonly allowInsecure: boolean
  readonly plain: readonly string[]
}

/** Status of each condition per state; Reconciling and Stalled, Insecure and Outliers below, are present only while true. */
const TABLE: Readonly<Record<JobState, Readonly<Partial<Record<ConditionType, Truth>>>>> = {
  Waiting: { Ready: 'Unknown', Reconciling: 'True', Suspended: 'False', Complete: 'False', Failed: 'False' },
  Training: { Ready: 'True', Suspended: 'False', Complete: 'False', Failed: 'False' },
  QuorumLost: { Ready: 'False', Suspended: 'False', Complete: 'False', Failed: 'False' },
  Suspended: { Ready: 'False', Suspended: 'True', Complete: 'False', Failed: 'False' },
  Complete: { Ready: 'True', Suspended: 'False', Complete: 'True', Failed: 'False' },
  Failed: { Ready: 'False', Stalled: 'True', Suspended: 'False', Complete: 'False', Failed: 'True' },
}

const MESSAGES: Readonly<Record<JobState, string>> = {
  Waiting: 'The job waits before it trains.',
  Training: 'Rounds are running.',
  QuorumLost: 'A round ended below its quorum; the next attempt begins when enough clients are available.',
  Suspended: 'The job is suspended; set spec.suspend to false to resume it.',
  Complete: 'All rounds are done; the output is written.',
  Failed: 'The run failed; correct the cause, and create a new job. Its resumeFrom can name this run.',
}

/** All conditions of a job in this state, in the order of the table. */
export function conditionsFor(state: JobState, facts: ConditionFacts): WantedCondition[] {
  const reasons: Readonly<Partial<Record<JobState, string>>> = {
    Waiting: facts.waitingFor,
    Failed: facts.failure,
  }
  const reason = reasons[state] ?? state
  const message = facts.message || MESSAGES[state]
  const observedGeneration = facts.generation
  const conditions = (Object.entries(TABLE[state]) as [ConditionType, Truth][]).map(([type, status]) => {
    const denied = status === 'False' && type !== 'Ready'
    return denied
      ? { type, status, reason: `Not${type}`, message: '', observedGeneration }
      : { type, status, reason, message, observedGeneration }
  })
  const warnings = [...insecureCondition(facts), ...outliersCondition(facts)]
  return isOver(state)
    ? [...conditions, ...warnings]
    : [...conditions, quorumCondition(state, facts), ...warnings]
}

/** Present while the job has, or may have, connections without TLS. */
function insecureCondition({ generation, allowInsecure, plain }: ConditionFacts): WantedCondition[] {
  if (!allowInsecure && plain.length === 0) return []
  const base = { type: 'Insecure' as const, status: 'True' as const, observedGeneration: generation }
  if (plain.length === 0) {
    const message = 'spec.allowInsecure is true: sources of the checkpoint and of data may have no TLS.'
    return [{ ...base, reason: 'AllowInsecure', message }]
  }
  const message = `${plain.join(' and ')} without TLS: anybody on the network can read models and updates.`
  return [{ ...base, reason: 'WithoutTLS', message }]
}

/** Clients that one message names; it counts the rest. */
const NAMED = 5

/** Present while the newest round has clients that are far from the others. */
function outliersCondition({ generation, outliers }: ConditionFacts): WantedCondition[] {
  if (outliers.length === 0) return []
  const named = outliers.map((outlier) => `${outlier.client}: ${outlierText(outlier)}`)
  const message = `${listed(named, NAMED, '; ')}. The updates count; check these clients.`
  return [
    { type: 'Outliers', status: 'True', reason: 'FarFromOthers', message, observedGeneration: generation },
  ]
}

function isOver(state: JobState): boolean {
  return state === 'Complete' || state === 'Failed'
}

function quorumCondition(
  state: JobState,
  { generation, available, needed, missing }: ConditionFacts,
): WantedCondition {
  const base = { type: 'QuorumAvailable' as const, observedGeneration: generation }
  if (state === 'Suspended')
    return { ...base, status: 'Unknown', reason: 'Suspended', message: MESSAGES.Suspended }
  const message = `${whoIsMissing(missing)}${available} of ${needed} needed clients are available.`
  const enough = available >= needed
  return {
    ...base,
    status: enough ? 'True' : 'False',
    reason: enough ? 'EnoughClients' : 'NotEnoughClients',
    message,
  }
}

/** Characters of a message for the list of missing clients, and the least number of characters for each. */
const MISSING_CHARACTERS = 900
const LEAST_CHARACTERS = 80

/** "site-b: pending on nvidia.com/gpu; site-c: …. ": names first, each with as much of its reason as fits. */
function whoIsMissing(missing: ConditionFacts['missing']): string {
  if (missing.length === 0) return ''
  const room = Math.max(LEAST_CHARACTERS, Math.floor(MISSING_CHARACTERS / missing.length))
  const shown = missing.slice(0, Math.floor(MISSING_CHARACTERS / room))
  const said = shown.map(({ client, reason }) => shortened(`${client}: ${reason}`, room - 2))
  const others = missing.length - shown.length
  const more = others === 0 ? '' : `; and ${others} more`
  return `${said.join('; ').replace(/[.]+$/, '')}${more}. `
}

/** The wanted conditions, each with the time of its last change of status: `now` for a new or changed one. */
export function withTransitionTimes(
  wanted: readonly WantedCondition[],
  stored: readonly Pick<Condition, 'type' | 'status' | 'lastTransitionTime'>[],
  now: string,
): Condition[] {
  return wanted.map((condition) => {
    const before = stored.find(({ type, status }) => type === condition.type && status === condition.status)
    return { ...condition, lastTransitionTime: before?.lastTransitionTime ?? now }
  })
}
