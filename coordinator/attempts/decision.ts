// Writes the decision that ends an attempt: which updates count, the outcome of every other client, and whether training continues.
// It is drafted from the open attempt at one moment. Where the record has a decision already, that one counts, also of another
// coordinator. When to decide is decided in until-closed.ts.
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { ClientOutcome, Decision, NotEvaluated, Plan } from '#protocol/record.ts'
import { listed, shortened } from '#protocol/text.ts'
import { meanEvaluation } from '../aggregation/evaluation.ts'
import type { Presence } from '../clients/presence.ts'
import type { Marked } from '../record/markers.ts'
import { decidedStates, lastState, stateChange } from '../rounds/client-states.ts'
import { clipBound, normsOf } from '../rounds/clipping.ts'
import { missingMetrics } from '../rounds/declared-metrics.ts'
import { countFailure, type Failures } from '../rounds/failures.ts'
import { acceptedOutcome, countedExamples, reasonOf } from '../rounds/limits.ts'
import { bestRound, decideStop } from '../rounds/stopping.ts'
import type { AttemptAssignment, RoundAssignment } from './assignment.ts'
import type { OpenAttempt } from './attempt.ts'
import type { AttemptsContext } from './context.ts'
import type { ReceivedEvaluation } from './participants.ts'
import type { Opening } from './planning.ts'

type DecisionContext = Pick<AttemptsContext, 'markers' | 'fixed' | 'live' | 'observe' | 'presence'>

/** Clients that one message names; it counts the rest. */
const NAMED = 20
/** Characters of a client's own text in a message about several clients. */
const TEXT_LENGTH = 200

/**
 * Closes the attempt with the updates that it has. Throws RunFailed where no client reports a metric that the job ranks or stops
 * by. Then the attempt stays open in the record.
 */
export async function close(
  context: DecisionContext,
  assignment: RoundAssignment,
  open: OpenAttempt,
): Promise<Marked<Decision>> {
  const { round, attempt, kind, base, maxExamples } = open.plan.value
  const { stopping } = context.fixed
  const evaluations = open.evaluations()
  const updates = open.updates()
  checkMetrics(context, assignment, open.plan.value, evaluations)
  const evaluation = meanEvaluation(evaluations, (numExamples) => countedExamples(maxExamples, numExamples))
  const history =
    evaluation === null || base === null
      ? assignment.history
      : [...assignment.history, { round: base.round, evaluation }]
  const states = decidedStates(open.states, open.receipts())
  const clipNorm =
    kind === 'Train' ? clipBound(context.fixed.clipNorm, assignment.norms, normsOf(updates)) : null
  return context.markers.writeDecision({
    schema: 'fedsam.decision/1',
    kind: 'Closed',
    round,
    attempt,
    updates: updates.map(({ client, attempt: from, receipt, numExamples, norm }) => ({
      client,
      attempt: from,
      receipt: receipt.digest,
      numExamples,
      norm,
    })),
    clipNorm,
    outcomes: outcomesOf(context, open, clipNorm),
    ...(states.length === 0 ? {} : { states }),
    evaluations: [...evaluations],
    notEvaluated: notEvaluatedOf(context, open),
    evaluation,
    best: bestRound(stopping, history),
    stop: kind === 'Train' ? decideStop(stopping, history, { round, rounds: context.live().rounds }) : null,
  })
}

/** Reports the declared metrics that the base model lacks. Throws RunFailed where a training run can never have one of them. */
function checkMetrics(
  { fixed, observe }: Pick<AttemptsContext, 'fixed' | 'observe'>,
  { history }: RoundAssignment,
  { kind, base, evaluators: asked }: Plan,
  evaluations: readonly ReceivedEvaluation[],
): void {
  if (base === null || asked.length === 0) return
  for (const missing of missingMetrics({ rule: fixed.stopping, asked, evaluations, history })) {
    const { isHopeless, ...facts } = missing
    observe({ event: 'MetricMissing', round: base.round, ...facts })
    if (!isHopeless || kind !== 'Train') continue
    const fields = missing.fields.map((field) => `spec.evaluation.${field}`).join(' and ')
    throw new FedsamError(
      'RunFailed',
      `no client reports ${missing.metric}, which ${fields} ${missing.fields.length === 1 ? 'names' : 'name'}; reported: ${missing.reported.join(', ')}`,
      {
        reason: 'MetricNotReported',
        remedy: 'name one of the reported metrics, or let evaluate report it, and choose another output',
      },
    )
  }
}

/** Adds one abandoned attempt to the count against maxFailedRounds, by the job's present settings. */
export function failuresWith({ live }: Pick<AttemptsContext, 'live'>, before: Failures | null): Failures {
  const { members, round } = live()
  const settings = sha256(encodeJson({ members, round }))
  return countFailure(before, { settings, maxFailedRounds: round.maxFailedRounds })
}

/** Abandons an open attempt: too few updates were accepted. */
export function abandon(
  context: DecisionContext,
  assignment: AttemptAssignment,
  open: OpenAttempt,
): Promise<Marked<Decision>> {
  const { round, attempt, quorum, cohort } = open.plan.value
  const outcomes = outcomesOf(context, open)
  const lost = outcomes.filter(({ client, outcome }) => cohort.includes(client) && outcome !== 'Accepted')
  const counted = `${cohort.length - lost.length} of ${cohort.length} updates were accepted, ${quorum} are needed`
  return context.markers.writeDecision({
    schema: 'fedsam.decision/1',
    kind: 'Abandoned',
    round,
    attempt,
    reason: 'QuorumNotReached',
    message: `${counted}; ${listed(lost.map(sentenceOf), NAMED, '; ')}`,
    outcomes,
    failures: failuresWith(context, assignment.failures),
  })
}

function sentenceOf({ client, outcome, reason, message }: ClientOutcome): string {
  return `${client}: ${outcome} (${shortened(message === '' ? reason : `${reason}: ${message}`, TEXT_LENGTH)})`
}

function nameAndReason({ client, message }: ClientOutcome): string {
  return message === '' ? client : `${client} (${shortened(message, TEXT_LENGTH)})`
}

/** Abandons an attempt that never opened: too few clients were ready. */
export function abandonUnopened(
  context: Pick<AttemptsContext, 'markers' | 'live'>,
  { round, attempt, failures }: AttemptAssignment,
  { needed, absent }: Extract<Opening, { kind: 'Abandon' }>,
): Promise<Marked<Decision>> {
  return context.markers.writeDecision({
    schema: 'fedsam.decision/1',
    kind: 'Abandoned',
    round,
    attempt,
    reason: 'NotEnoughClients',
    message: `${needed} clients are needed; missing: ${listed(absent.map(nameAndReason), NAMED)}`,
    outcomes: [...absent],
    failures: failuresWith(context, failures),
  })
}

/** The outcome of every client on the roster, by name. `clipNorm` is the bound on norms, where the attempt closes. */
function outcomesOf(
  { presence }: Pick<AttemptsContext, 'presence'>,
  open: OpenAttempt,
  clipNorm: number | null = null,
): ClientOutcome[] {
  const { roster, cohort, available, maxExamples } = open.plan.value
  const settled = new Map(open.outcomes().map((outcome) => [outcome.client, outcome]))
  const accepted = new Map(open.updates().map((update) => [update.client, update]))
  const changes = new Map(
    open
      .receipts()
      .map(({ value }) => [value.client, stateChange(lastState(open.states, value.client), value)]),
  )
  const unsettled = (client: string): Omit<ClientOutcome, 'client'> => {
    const update = accepted.get(client)
    if (update !== undefined)
      return acceptedOutcome({ ...update, change: changes.get(client) }, { maxExamples, clipNorm })
    if (!available.includes(client)) return presence.absence(client)
    if (!cohort.includes(client)) return { outcome: 'NotSelected', ...reasonOf(changes.get(client)) }
    return overdue(presence, client)
  }
  return roster.map((client) => settled.get(client) ?? { client, ...unsettled(client) })
}

/** Every evaluator without an evaluation, by name, with the reason that it reported, or else with its outcome. */
function notEvaluatedOf({ presence }: Pick<AttemptsContext, 'presence'>, open: OpenAttempt): NotEvaluated[] {
  const own = new Map(open.notEvaluated().map((one) => [one.client, one]))
  const settled = new Map(open.outcomes().map((outcome) => [outcome.client, outcome]))
  const measured = new Set(open.evaluations().map(({ client }) => client))
  return [...open.plan.value.evaluators]
    .filter((client) => !measured.has(client))
    .sort()
    .map((client) => {
      const missing = settled.get(client) ?? overdue(presence, client)
      return own.get(client) ?? { client, ...(missing as Omit<NotEvaluated, 'client'>) }
    })
}

/** The outcome of a client whose receipt is missing when the attempt ends. */
function overdue(presence: Presence, client: string): Omit<ClientOutcome, 'client'> {
  return presence.isReady(client)
    ? { outcome: 'Late', reason: 'NoReceipt', message: 'still at work when the attempt ended' }
    : {
        outcome: 'Unreachable',
        reason: 'Silent',
        message: 'it sent no request for too long before the attempt ended',
      }
}
