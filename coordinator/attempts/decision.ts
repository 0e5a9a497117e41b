// The decisions that end attempts: who is in, what became of everyone else, whether training goes on. Drawn up from the open
// attempt at one moment, then left in the record; where one is there already, that one stands, whoever wrote it.
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { ClientOutcome, Decision, NotEvaluated, Plan } from '#protocol/record.ts'
import { listed, shortened } from '#protocol/text.ts'
import { meanEvaluation } from '../aggregation/evaluation.ts'
import type { Marked } from '../record/markers.ts'
import { bounds } from '../reporting/status-bounds.ts'
import { missingMetrics } from '../rounds/declared-metrics.ts'
import { countFailure, type Failures } from '../rounds/failures.ts'
import { bestRound, decideStop } from '../rounds/stopping.ts'
import type { RunContext } from '../run/context.ts'
import type { OpenAttempt, ReceivedEvaluation } from './attempt.ts'
import type { RoundAssignment } from './attempts.ts'
import type { AttemptAssignment, Opening } from './planning.ts'

/**
 * Closes the attempt with what it has. Throws RunFailed where no client reports a metric that the job ranks or stops by; the
 * attempt stays open in the record then.
 */
export async function close(
  context: RunContext,
  assignment: RoundAssignment,
  open: OpenAttempt,
): Promise<Marked<Decision>> {
  const { round, attempt, kind, base } = open.plan.value
  const { stopping } = context.fixed
  const evaluations = open.evaluations()
  checkMetrics(context, assignment, open.plan.value, evaluations)
  const evaluation = meanEvaluation(evaluations)
  const history =
    evaluation === null || base === null
      ? assignment.history
      : [...assignment.history, { round: base.round, evaluation }]
  return context.markers.writeDecision({
    schema: 'fedsam.decision/1',
    kind: 'Closed',
    round,
    attempt,
    updates: open.updates().map(({ client, attempt: from, receipt, numExamples }) => ({
      client,
      attempt: from,
      receipt: receipt.digest,
      numExamples,
    })),
    outcomes: outcomesOf(context, open),
    evaluations: [...evaluations],
    notEvaluated: notEvaluatedOf(context, open),
    evaluation,
    best: bestRound(stopping, history),
    stop: kind === 'Train' ? decideStop(stopping, history, { round, rounds: context.live().rounds }) : null,
  })
}

/** Says which declared metrics do not count for the base model, and ends a training run that would never have one of them. */
function checkMetrics(
  { fixed, observe }: RunContext,
  { history }: RoundAssignment,
  { kind, base, evaluators: asked }: Plan,
  evaluations: readonly ReceivedEvaluation[],
): void {
  if (base === null || asked.length === 0) return
  for (const missing of missingMetrics({ rule: fixed.stopping, asked, evaluations, history })) {
    const { isHopeless, ...said } = missing
    observe({ event: 'MetricMissing', round: base.round, ...said })
    if (!isHopeless || kind !== 'Train') continue
    const fields = missing.fields.map((field) => `spec.evaluation.${field}`).join(' and ')
    throw new FedsamError(
      'RunFailed',
      `no client reports ${missing.metric}, which ${fields} ${missing.fields.length === 1 ? 'names' : 'name'}; reported: ${missing.reported.join(', ')}`,
      {
        reason: 'MetricNotReported',
        remedy: 'name one of those, or let evaluate report it; the job needs another output then',
      },
    )
  }
}

/** The count against maxFailedRounds with one more abandoned attempt, by the job as it is now. */
export function failuresWith({ live }: RunContext, before: Failures | null): Failures {
  const { members, round } = live()
  const settings = sha256(encodeJson({ members, round }))
  return countFailure(before, { settings, maxFailedRounds: round.maxFailedRounds })
}

/** Gives an open attempt up: too few updates were accepted. */
export function abandon(
  context: RunContext,
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
    message: `${counted}; ${listed(lost.map(sentenceOf), bounds.named, '; ')}`,
    outcomes,
    failures: failuresWith(context, assignment.failures),
  })
}

/** Characters of one client's own words in a sentence about all of them. */
const WORDS = 200

function sentenceOf({ client, outcome, reason, message }: ClientOutcome): string {
  return `${client}: ${outcome} (${shortened(message === '' ? reason : `${reason}: ${message}`, WORDS)})`
}

function whoAndWhy({ client, message }: ClientOutcome): string {
  return message === '' ? client : `${client} (${shortened(message, WORDS)})`
}

/** Gives an attempt up that never opened: too few clients were there. */
export function abandonUnopened(
  context: RunContext,
  { round, attempt, failures }: AttemptAssignment,
  { needed, absent }: Extract<Opening, { kind: 'Abandon' }>,
): Promise<Marked<Decision>> {
  return context.markers.writeDecision({
    schema: 'fedsam.decision/1',
    kind: 'Abandoned',
    round,
    attempt,
    reason: 'NotEnoughClients',
    message: `${needed} clients are needed; missing: ${listed(absent.map(whoAndWhy), bounds.named)}`,
    outcomes: [...absent],
    failures: failuresWith(context, failures),
  })
}

/** What became of everyone on the roster, by name. */
function outcomesOf(context: RunContext, open: OpenAttempt): ClientOutcome[] {
  const { roster, cohort, available } = open.plan.value
  const settled = new Map(open.outcomes().map((outcome) => [outcome.client, outcome]))
  const accepted = new Set(open.updates().map(({ client }) => client))
  const unsettled = (client: string): Omit<ClientOutcome, 'client'> => {
    if (accepted.has(client)) return { outcome: 'Accepted', reason: '', message: '' }
    if (!available.includes(client)) return context.presence.absence(client)
    if (!cohort.includes(client)) return { outcome: 'NotSelected', reason: '', message: '' }
    return overdue(context, client)
  }
  return roster.map((client) => settled.get(client) ?? { client, ...unsettled(client) })
}

/** Every evaluator without an evaluation, by name: its own word, else what became of it. */
function notEvaluatedOf(context: RunContext, open: OpenAttempt): NotEvaluated[] {
  const own = new Map(open.notEvaluated().map((one) => [one.client, one]))
  const settled = new Map(open.outcomes().map((outcome) => [outcome.client, outcome]))
  const measured = new Set(open.evaluations().map(({ client }) => client))
  return [...open.plan.value.evaluators]
    .filter((client) => !measured.has(client))
    .sort()
    .map((client) => {
      const missing = settled.get(client) ?? overdue(context, client)
      return own.get(client) ?? { client, ...(missing as Omit<NotEvaluated, 'client'>) }
    })
}

/** What becomes of a client whose receipt is missing when the attempt ends. */
function overdue(context: RunContext, client: string): Omit<ClientOutcome, 'client'> {
  return context.presence.isPresent(client)
    ? { outcome: 'Late', reason: 'NoReceipt', message: 'still at work when the attempt ended' }
    : { outcome: 'Unreachable', reason: 'Silent', message: 'not heard when the attempt ended' }
}
