// One round from opening to result: attempts follow each other until one closes; its decision is folded into the new model.
// Each step first reads what the record already holds, so that a coordinator that takes over goes on at the same step.
import { FedsamError } from '#protocol/errors.ts'
import type { AbandonedDecision, ClientOutcome, ClosedDecision, Plan, RoundResult } from '#protocol/record.ts'
import { admitTo } from './admission.ts'
import { meanEvaluation } from './aggregation/evaluation.ts'
import { type OpenAttempt, openAttempt } from './attempt.ts'
import { type RunContext, throwIfStopped, waitForChange } from './context.ts'
import { type AttemptBrief, awaitOpening } from './planning.ts'
import type { Marked } from './record.ts'
import { decideClosing } from './rounds/closing.ts'
import { bestRound, decideStop, type Evaluated } from './rounds/stopping.ts'

/** What a round is asked to do. `history` holds the evaluations of the models before its base. */
export interface RoundBrief {
  readonly round: number
  readonly kind: Plan['kind']
  readonly previous: Marked<RoundResult> | null
  readonly history: readonly Evaluated[]
}

/** An attempt that closed: what goes into the fold. */
export interface ClosedAttempt {
  readonly plan: Marked<Plan>
  readonly decision: Marked<ClosedDecision>
  /** The attempt as it was run here; null where the record had the decision already. */
  readonly open: OpenAttempt | null
  readonly seconds: number
}

/** Runs attempts, from `first` on, until one closes. Throws RunFailed after maxFailedRounds abandoned ones in a row. */
export async function closeRound(context: RunContext, brief: RoundBrief, first = 1): Promise<ClosedAttempt> {
  let lost: readonly string[] = []
  for (let attempt = first; ; attempt += 1) {
    const began = context.clock.now()
    const ended = await runAttempt(context, { ...brief, attempt, lost })
    if (ended.decision.value.kind === 'Closed') {
      const decision = ended.decision as Marked<ClosedDecision>
      return { plan: ended.plan!, decision, open: ended.open, seconds: context.clock.now() - began }
    }
    const { reason, message, outcomes } = ended.decision.value
    lost = outcomes.filter(({ outcome }) => outcome !== 'Accepted' && outcome !== 'NotSelected').map(({ client }) => client)
    context.observe({ event: 'AttemptAbandoned', round: brief.round, attempt, reason, message, outcomes })
    if (attempt < context.live().round.maxFailedRounds) continue
    throw new FedsamError('RunFailed', `round ${brief.round} was abandoned ${attempt} times: ${reason}: ${message}`, {
      remedy: 'cure the cause; round.maxFailedRounds says how many attempts a round has',
    })
  }
}

interface EndedAttempt {
  readonly plan: Marked<Plan> | undefined
  readonly decision: Marked<ClosedDecision | AbandonedDecision>
  readonly open: OpenAttempt | null
}

async function runAttempt(context: RunContext, brief: AttemptBrief & RoundBrief): Promise<EndedAttempt> {
  const { book } = context
  const { round, attempt } = brief
  throwIfStopped(context)
  await book.assertCurrent()
  const decided = await book.decision(round, attempt)
  let plan = await book.plan(round, attempt)
  if (decided !== undefined) return { plan, decision: decided, open: null }
  if (plan === undefined) {
    const opening = await awaitOpening(context, brief)
    if (opening.kind === 'Abandon') return { plan, decision: await abandonUnopened(context, brief, opening.missing), open: null }
    plan = await book.leavePlan(opening.plan)
  }
  const open = openAttempt({
    book,
    plan,
    seed: context.fixed.seed,
    admit: admitTo(context, plan.value, brief.previous?.value.tensors ?? null),
    onChange: (client, position) => {
      reportChange(context, round, open, client, position)
      context.bell.ring()
    },
  })
  return { plan, decision: await conduct(context, brief, open), open }
}

/** Hands the attempt to the desk and waits until it may close. */
async function conduct(
  context: RunContext,
  brief: AttemptBrief & RoundBrief,
  open: OpenAttempt,
): Promise<EndedAttempt['decision']> {
  const { floor, bell, observe } = context
  const { round, attempt, kind, cohort, evaluators } = open.plan.value
  observe({ event: 'AttemptOpened', round, attempt, kind, cohort, evaluators })
  // Receipts of a coordinator before this one, or of an abandoned attempt at this round, count without being made again.
  await Promise.all([...cohort, ...evaluators].map((client) => open.look(client, { earlier: true })))
  floor.attempt = open
  bell.ring()
  try {
    const closing = await awaitClosing(context, open)
    return closing === 'Close' ? await close(context, brief, open) : await abandon(context, open)
  } finally {
    floor.attempt = null
    bell.ring()
  }
}

async function awaitClosing(context: RunContext, open: OpenAttempt): Promise<'Close' | 'Abandon'> {
  const { clock, bell, pace } = context
  const { cohort, evaluators, quorum, deadlineSeconds, graceSeconds } = open.plan.value
  const others = evaluators.filter((client) => !cohort.includes(client))
  const opened = clock.now()
  let quorumAt: number | null = null
  let swept = false
  for (;;) {
    throwIfStopped(context)
    const rung = bell.rung()
    dropRemoved(context, open)
    if (quorumAt === null && open.updates().length >= quorum) quorumAt = clock.now()
    const decision = decideClosing({
      cohort: cohort.map(open.standing),
      evaluators: others.map((client) => (context.presence.isPresent(client) ? open.standing(client) : 'Settled')),
      quorum,
      deadlineSeconds,
      graceSeconds,
      elapsed: clock.now() - opened,
      sinceQuorum: quorumAt === null ? null : clock.now() - quorumAt,
    })
    const pending = [...cohort, ...others].filter(open.isPending)
    if (decision.kind !== 'Wait') {
      // A receipt whose message was lost still counts: look once more before the decision is made.
      if (swept || pending.length === 0) return decision.kind
      swept = true
      await Promise.all(pending.map((client) => open.look(client)))
      continue
    }
    swept = false
    const woken = clock.now()
    await waitForChange(context, rung, Math.min(decision.seconds, pace.pollSeconds))
    if (clock.now() - woken >= pace.pollSeconds) await Promise.all(pending.map((client) => open.look(client)))
  }
}

/** Members whose partition left the job are waited for no longer. */
function dropRemoved(context: RunContext, open: OpenAttempt): void {
  const members = new Set(context.live().members.map(({ name }) => name))
  for (const client of open.plan.value.roster) {
    if (!members.has(client)) open.settle(client, { client, outcome: 'Removed', reason: 'PartitionRemoved', message: '' })
  }
}

async function close(context: RunContext, brief: RoundBrief, open: OpenAttempt): Promise<Marked<ClosedDecision>> {
  const { round, attempt, kind } = open.plan.value
  const { fixed } = context
  const updates = open.updates()
  const evaluations = open.evaluations()
  const evaluation = meanEvaluation(evaluations)
  const base = open.plan.value.base
  const history = evaluation === null || base === null ? brief.history : [...brief.history, { round: base.round, evaluation }]
  const decision = await context.book.leaveDecision({
    schema: 'fedsam.decision/1',
    kind: 'Closed',
    round,
    attempt,
    updates: updates.map(({ client, attempt: from, receipt, numExamples }) => ({
      client,
      attempt: from,
      receipt: receipt.digest,
      numExamples,
    })),
    outcomes: outcomesOf(context, open),
    evaluations: [...evaluations],
    evaluation,
    best: bestRound(fixed.stopping, history),
    stop: kind === 'Train' ? decideStop(fixed.stopping, history, { round, rounds: context.live().rounds }) : null,
  })
  if (decision.value.kind === 'Abandoned') {
    throw new FedsamError('Superseded', `another coordinator abandoned round ${round}, attempt ${attempt}`)
  }
  return decision as Marked<ClosedDecision>
}

async function abandon(context: RunContext, open: OpenAttempt): Promise<EndedAttempt['decision']> {
  const { round, attempt, quorum, cohort } = open.plan.value
  return context.book.leaveDecision({
    schema: 'fedsam.decision/1',
    kind: 'Abandoned',
    round,
    attempt,
    reason: 'QuorumNotReached',
    message: `${open.updates().length} of ${cohort.length} updates were accepted, ${quorum} are needed`,
    outcomes: outcomesOf(context, open),
  })
}

function abandonUnopened(
  context: RunContext,
  { round, attempt }: AttemptBrief,
  missing: readonly string[],
): Promise<EndedAttempt['decision']> {
  const needed = context.fixed.minAvailableClients
  return context.book.leaveDecision({
    schema: 'fedsam.decision/1',
    kind: 'Abandoned',
    round,
    attempt,
    reason: 'NotEnoughClients',
    message: `${needed} clients are needed; missing: ${missing.join(', ')}`,
    outcomes: missing.map((client) => ({ client, outcome: 'Unreachable', reason: 'NotHeard', message: '' })),
  })
}

/** What became of everyone on the roster, by name. */
function outcomesOf(context: RunContext, open: OpenAttempt): ClientOutcome[] {
  const { roster, cohort, available } = open.plan.value
  const settled = new Map(open.outcomes().map((outcome) => [outcome.client, outcome]))
  const accepted = new Set(open.updates().map(({ client }) => client))
  return roster.map((client) => {
    const known = settled.get(client)
    if (known !== undefined) return known
    if (accepted.has(client)) return { client, outcome: 'Accepted', reason: '', message: '' }
    if (!cohort.includes(client)) {
      return available.includes(client)
        ? { client, outcome: 'NotSelected', reason: '', message: '' }
        : { client, outcome: 'Unreachable', reason: 'NotHeard', message: '' }
    }
    return context.presence.isPresent(client)
      ? { client, outcome: 'Late', reason: 'NoReceipt', message: 'still at work when the attempt ended' }
      : { client, outcome: 'Unreachable', reason: 'Silent', message: 'not heard when the attempt ended' }
  })
}

function reportChange(
  context: RunContext,
  round: number,
  open: OpenAttempt,
  client: string,
  position: 'Admitted' | 'Evaluated' | ClientOutcome,
): void {
  if (position === 'Evaluated') return
  if (position === 'Admitted') {
    const update = open.updates().find((candidate) => candidate.client === client)!
    const { numExamples, payload } = update
    context.observe({ event: 'UpdateAdmitted', round, client, numExamples, bytes: payload.size })
    return
  }
  const { outcome, reason, message } = position
  if (outcome === 'Rejected') context.observe({ event: 'UpdateRejected', round, client, reason, message })
  if (outcome === 'Failed') context.observe({ event: 'ClientFailed', round, client, reason, message })
}
