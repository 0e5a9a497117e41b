// A round's attempts: they follow each other until one closes. Each step first reads what the record already holds, so that a
// coordinator that takes over resumes at the same step. The record counts the attempts that were abandoned (rounds/failures.ts):
// a run that failed may be started again once the cause is corrected.
import { FedsamError } from '#protocol/errors.ts'
import {
  type AbandonedDecision,
  type ClientOutcome,
  type ClosedDecision,
  firstRound,
  type Plan,
  type RoundResult,
} from '#protocol/record.ts'
import type { DType } from '#protocol/tensors.ts'
import { type Backoff, pauseAfter } from '#runtime/backoff.ts'
import { waitAtMost } from '#runtime/notifier.ts'

import { cleanDecided } from '../clients/leftover-uploads.ts'
import type { Marked } from '../record/markers.ts'
import { type Failures, isTooMany } from '../rounds/failures.ts'
import type { Evaluated } from '../rounds/stopping.ts'
import { assertCurrent, type RunContext, throwIfStopped } from '../run/context.ts'
import type { Pace } from '../settings/settings.ts'
import { admitTo } from './admission.ts'
import { type Change, openAttempt } from './attempt.ts'
import { abandonUnopened, failuresWith } from './decision.ts'
import { type AttemptAssignment, awaitOpening } from './planning.ts'
import type { AdmittedUpdate } from './receipts.ts'
import { conduct } from './until-closed.ts'

/** What a round is asked to do. */
export interface RoundAssignment extends Omit<AttemptAssignment, 'attempt' | 'failures'> {
  /** The evaluations of the models before its base. */
  readonly history: readonly Evaluated[]
  /** The element types in which round 0 got the tensors; null where its base has them. */
  readonly dtypes: readonly DType[] | null
}

/** An attempt that closed: what goes into the fold. */
export interface ClosedAttempt {
  readonly plan: Marked<Plan>
  readonly decision: Marked<ClosedDecision>
  /** Updates that were admitted here, some with their bytes; null where the record had the decision already. */
  readonly admitted: readonly AdmittedUpdate[] | null
  readonly seconds: number
}

/** Clients that an attempt lost: the next one does not wait for them. */
export function lostOf(outcomes: readonly ClientOutcome[]): string[] {
  return outcomes
    .filter(({ outcome }) => outcome !== 'Accepted' && outcome !== 'NotSelected')
    .map(({ client }) => client)
}

/** What counts against maxFailedRounds at one round; null: nothing. */
interface Counted {
  failures: Failures | null
}

/** Runs attempts, from `first` on, until one closes. Throws RunFailed after maxFailedRounds abandoned ones. */
async function closeRound(
  context: RunContext,
  assignment: RoundAssignment,
  first: number,
  counted: Counted,
): Promise<ClosedAttempt> {
  let { lost } = assignment
  let inRow = 0
  for (let attempt = first; ; attempt += 1) {
    const began = context.clock.now()
    const ended = await runAttempt(context, { ...assignment, ...counted, attempt, lost })
    if (ended === 'OtherPurpose') continue
    const { plan, decision, admitted } = ended
    if (decision.value.kind === 'Closed') {
      const closed = decision as Marked<ClosedDecision>
      return { plan: plan!, decision: closed, admitted, seconds: context.clock.now() - began }
    }
    const { reason, message, outcomes, epoch, failures } = decision.value
    const { round, kind } = assignment
    lost = lostOf(outcomes)
    inRow = reason === 'NotEnoughClients' ? inRow + 1 : 0
    counted.failures = failures
    // A coordinator before this one has paused after its own decisions. Where it failed the run, somebody started the run again.
    const isOwn = epoch === context.markers.epoch
    const pauseSeconds = isOwn && kind !== 'Evaluate' ? pauseAfter(inRow, backoffOf(context.pace)) : 0
    const last = isOwn && failures !== null && isTooMany(failures)
    context.observe({
      event: 'AttemptAbandoned',
      round,
      attempt,
      kind,
      reason,
      message,
      outcomes,
      pauseSeconds: last ? 0 : pauseSeconds,
    })
    failForForeignTensors(context, round, outcomes)
    if (last) await failAfterTooMany(context, { round, ...failures, why: `${reason}: ${message}` })
    await pause(context, pauseSeconds)
  }
}

/**
 * The user's initial parameters, or the run that this one starts from, fix the tensors of the run. Clients that train others would be
 * rejected in every attempt, so the first one says it. Throws BadCheckpoint, BadRecord.
 */
function failForForeignTensors(
  { fixed, markers }: RunContext,
  round: number,
  outcomes: readonly ClientOutcome[],
): void {
  const { kind } = fixed.origin
  const given = kind === 'InitialParameters' || kind === 'Resumed' ? FOREIGN[kind] : undefined
  if (given === undefined || round !== firstRound(markers.run.value) + 1) return
  if (outcomes.some(({ outcome }) => outcome === 'Accepted')) return
  const foreign = outcomes.find(({ reason }) => reason === 'WrongTensors')
  if (foreign === undefined) return
  const { code, field, remedy } = given
  throw new FedsamError(
    code,
    `${field} has other tensors than the clients train; ${foreign.client}: ${foreign.message}`,
    { remedy: `${remedy}; run it with another output` },
  )
}

/** What fixes the tensors of a run before a client trains. */
const FOREIGN = {
  InitialParameters: {
    code: 'BadCheckpoint',
    field: 'spec.model.initialParameters',
    remedy: 'name a file with the tensors that the trainer trains, or remove the field',
  },
  Resumed: {
    code: 'BadRecord',
    field: 'spec.resumeFrom',
    remedy: 'name a run that trained the tensors of this trainer',
  },
} as const

/** The pauses after attempts in a row that had too few clients. */
function backoffOf({ pauseSeconds, longestPauseSeconds }: Pace): Backoff {
  return { first: pauseSeconds, longest: longestPauseSeconds }
}

async function pause(context: RunContext, seconds: number): Promise<void> {
  const { clock, notifier } = context
  const until = clock.now() + seconds
  for (let left = seconds; left > 0; left = until - clock.now()) {
    throwIfStopped(context)
    await waitAtMost(notifier.next(), left, context)
  }
}

/**
 * Runs attempts until one closes and `finish` could make its result. An attempt whose updates turn out to be damaged is given
 * up, whatever its decision says: that the next attempt was planned is the record of it.
 */
export async function concludeRound(
  context: RunContext,
  assignment: RoundAssignment,
  finish: (closed: ClosedAttempt) => Promise<Marked<RoundResult>>,
): Promise<ConcludedRound> {
  const { round } = assignment
  let { lost } = assignment
  const counted: Counted = { failures: null }
  for (let first = 1; ; ) {
    const closed = await closeRound(context, { ...assignment, lost }, first, counted)
    const { attempt } = closed.plan.value
    const { outcomes } = closed.decision.value
    lost = lostOf(outcomes)
    first = attempt + 1
    if (closed.admitted === null && (await context.markers.plan(round, first)) !== undefined) continue
    const ended = await finishAttempt(context, closed, finish)
    if (!(ended instanceof FedsamError)) return ended
    const { message } = ended
    const failures = failuresWith(context, counted.failures)
    counted.failures = failures
    context.observe({
      event: 'AttemptAbandoned',
      round,
      attempt,
      kind: assignment.kind,
      reason: 'RecordDamaged',
      message,
      outcomes,
      pauseSeconds: 0,
    })
    // A coordinator before this one may have failed the run for this damage. This one gives the attempt up and plans the next.
    const isOwn = closed.decision.value.epoch === context.markers.epoch
    if (isOwn && isTooMany(failures))
      await failAfterTooMany(context, { round, ...failures, why: `RecordDamaged: ${message}` })
  }
}

/**
 * The round's result: another coordinator's where it has left one, else made here. Resolves to the error where the attempt's
 * updates are damaged and nobody has a result.
 */
async function finishAttempt(
  context: RunContext,
  closed: ClosedAttempt,
  finish: (closed: ClosedAttempt) => Promise<Marked<RoundResult>>,
): Promise<ConcludedRound | FedsamError> {
  const { epoch, round } = closed.decision.value
  try {
    const theirs = epoch === context.markers.epoch ? undefined : await resultOf(context, round)
    return await conclude(context, closed, theirs ?? (await finish(closed)))
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    // Another coordinator deletes what this one reads once it has the round's result: a newer one, or an older one.
    const theirs = await resultOf(context, round)
    return theirs === undefined ? error : conclude(context, closed, theirs)
  }
}

/** A round's result, and the decision that it rests on. */
export interface ConcludedRound {
  /** Of the attempt that the result comes from. */
  readonly kind: Plan['kind']
  readonly closed: ClosedAttempt
  readonly decision: ClosedDecision
  readonly result: Marked<RoundResult>
}

/** The result in the record may be another coordinator's, of another attempt: then that attempt's decision counts. */
async function conclude(
  { markers }: RunContext,
  closed: ClosedAttempt,
  result: Marked<RoundResult>,
): Promise<ConcludedRound> {
  const { round, attempt } = result.value
  const own = closed.plan.value
  if (attempt === own.attempt) return { kind: own.kind, closed, decision: closed.decision.value, result }
  const [plan, decision] = await Promise.all([markers.plan(round, attempt), markers.decision(round, attempt)])
  if (plan !== undefined && decision?.value.kind === 'Closed')
    return { kind: plan.value.kind, closed, decision: decision.value, result }
  throw new FedsamError(
    'StorageUnsuitable',
    `round ${round} has a result of attempt ${attempt}, which was not closed`,
  )
}

/** A round's result where another coordinator has left it. Throws Superseded where that one is newer. */
async function resultOf(context: RunContext, round: number): Promise<Marked<RoundResult> | undefined> {
  await assertCurrent(context)
  return context.markers.result(round)
}

/** Throws RunFailed, or Superseded: what an older coordinator meets beside a newer one is no failure of the run. */
async function failAfterTooMany(
  context: RunContext,
  { round, count, why }: { round: number; count: number; why: string },
): Promise<void> {
  await assertCurrent(context)
  const times = count === 1 ? 'once' : `${count} times`
  throw new FedsamError('RunFailed', `round ${round} was abandoned ${times}: ${why}`, {
    reason: 'TooManyFailedRounds',
    remedy:
      'correct the cause and start the run again: it has maxFailedRounds new attempts, and all of spec.round may change',
  })
}

interface EndedAttempt {
  readonly plan: Marked<Plan> | undefined
  readonly decision: Marked<ClosedDecision | AbandonedDecision>
  readonly admitted: readonly AdmittedUpdate[] | null
}

/**
 * Resolves to OtherPurpose where the attempt was planned for another purpose: it evaluates the last model, and the job has more
 * rounds since. It never closes this round, and counts as no failure.
 */
async function runAttempt(
  context: RunContext,
  assignment: AttemptAssignment & RoundAssignment,
): Promise<EndedAttempt | 'OtherPurpose'> {
  const { markers, fixed, notifier } = context
  const { round, attempt, previous, kind } = assignment
  throwIfStopped(context)
  // This very coordinator made the model before: nobody can have been here, or leaving the plan will tell.
  const unknown = attempt > 1 || previous === null || previous.value.epoch !== markers.epoch
  const [there, decided] = unknown
    ? await Promise.all([markers.plan(round, attempt), markers.decision(round, attempt)])
    : []
  if (there !== undefined && there.value.kind !== kind) return 'OtherPurpose'
  if (decided !== undefined) {
    if (there !== undefined) await cleanDecided(context, there.value)
    return { plan: there, decision: decided, admitted: null }
  }
  const plan = there ?? (await planAttempt(context, assignment))
  if (plan === 'OtherPurpose' || 'decision' in plan) return plan
  const open = openAttempt({
    markers,
    plan,
    seed: fixed.seed,
    dtypes: assignment.dtypes,
    until: context.clock.now() + plan.value.deadlineSeconds,
    admit: admitTo(context, plan.value, previous?.value.tensors ?? null),
    onChange: (client, change) => {
      report(context, round, client, change)
      notifier.notify()
    },
  })
  const decision = await conduct(context, assignment, open)
  return { plan, decision, admitted: open.updates() }
}

/** Waits for the clients and leaves the plan. Another coordinator may have planned the attempt meanwhile, and may have decided it. */
async function planAttempt(
  context: RunContext,
  assignment: AttemptAssignment & RoundAssignment,
): Promise<Marked<Plan> | EndedAttempt | 'OtherPurpose'> {
  const { markers } = context
  const { round, attempt, kind } = assignment
  const opening = await awaitOpening(context, assignment)
  if (opening.kind === 'Abandon') {
    const decision = await abandonUnopened(context, assignment, opening)
    return { plan: await markers.plan(round, attempt), decision, admitted: null }
  }
  const plan = await markers.writePlan(opening.plan)
  if (plan.value.kind !== kind) return 'OtherPurpose'
  const theirs = plan.value.epoch === markers.epoch ? undefined : await markers.decision(round, attempt)
  return theirs === undefined ? plan : { plan, decision: theirs, admitted: null }
}

function report({ observe }: RunContext, round: number, client: string, change: Change): void {
  if (change.kind !== 'Settled') {
    const { receipt } = change.kind === 'Admitted' ? change.update : change
    const { notEvaluated } = receipt.value
    if (notEvaluated?.outcome === 'Failed') {
      const { reason, message } = notEvaluated
      observe({ event: 'EvaluationFailed', round, client, reason, message })
    }
  }
  if (change.kind === 'Admitted') {
    const { numExamples, payload } = change.update
    observe({ event: 'UpdateAdmitted', round, client, numExamples, bytes: payload.size })
  }
  if (change.kind !== 'Settled') return
  const { outcome, reason, message } = change.outcome
  if (outcome === 'Rejected') observe({ event: 'UpdateRejected', round, client, reason, message })
  if (outcome === 'Failed') observe({ event: 'ClientFailed', round, client, reason, message })
}
