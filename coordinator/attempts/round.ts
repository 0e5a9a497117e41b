// Runs a round: one attempt after the other until one closes and has a result. Each step reads the record first, so a coordinator
// that takes over resumes at the same step. The record counts abandoned attempts (rounds/failures.ts): a run that failed may be
// started again once its cause is corrected. The caller folds the updates into the result.
import { FedsamError } from '#protocol/errors.ts'
import {
  type ClientOutcome,
  type ClosedDecision,
  firstRound,
  type Plan,
  type Receipt,
  type RoundResult,
} from '#protocol/record.ts'
import { type Backoff, pauseAfter } from '#runtime/backoff.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import { lostClients } from '../record/marker-facts.ts'
import type { Marked } from '../record/markers.ts'
import { type Failures, isTooMany } from '../rounds/failures.ts'
import type { Pace } from '../settings/settings.ts'
import type { RoundAssignment } from './assignment.ts'
import type { AttemptsContext } from './context.ts'
import { failuresWith } from './decision.ts'
import type { AdmittedUpdate } from './receipts.ts'
import { runAttempt } from './run-attempt.ts'

/** An attempt that closed: the input of the fold. */
export interface ClosedAttempt {
  readonly plan: Marked<Plan>
  readonly decision: Marked<ClosedDecision>
  /** Updates that this coordinator admitted, some with their bytes; null where the record had the decision already. */
  readonly admitted: readonly AdmittedUpdate[] | null
  /** The receipts that this coordinator counted; empty where the record had the decision already. */
  readonly receipts: readonly Marked<Receipt>[]
  readonly seconds: number
}

/** A round's result, with the decision that it follows from. */
export interface ConcludedRound {
  /** The kind of the attempt that the result comes from. */
  readonly kind: Plan['kind']
  readonly closed: ClosedAttempt
  readonly decision: ClosedDecision
  readonly result: Marked<RoundResult>
}

/** Makes a round's result from the attempt that closed, and writes it. */
export type Finish = (closed: ClosedAttempt) => Promise<Marked<RoundResult>>

/** What counts against maxFailedRounds in one round; null: nothing. */
interface Counted {
  failures: Failures | null
}

/**
 * Runs attempts until one closes and `finish` has made its result. An attempt whose updates turn out to be damaged is abandoned,
 * although its decision says Closed: the plan of the next attempt is the record of that.
 */
export async function concludeRound(
  context: AttemptsContext,
  assignment: RoundAssignment,
  finish: Finish,
): Promise<ConcludedRound> {
  const { round, kind } = assignment
  let { lost } = assignment
  const counted: Counted = { failures: null }
  for (let first = 1; ; ) {
    const closed = await runUntilOneCloses(context, { ...assignment, lost }, first, counted)
    const { attempt } = closed.plan.value
    const { outcomes, epoch } = closed.decision.value
    lost = lostClients(outcomes)
    first = attempt + 1
    if (closed.admitted === null && (await context.markers.plan(round, first)) !== undefined) continue
    const ended = await finishAttempt(context, closed, finish)
    if (!(ended instanceof FedsamError)) return ended
    const { message } = ended
    const failures = failuresWith(context, counted.failures)
    counted.failures = failures
    const abandoned = { round, attempt, kind, reason: 'RecordDamaged', message, outcomes } as const
    context.observe({ event: 'AttemptAbandoned', ...abandoned, pauseSeconds: 0 })
    // An earlier coordinator may have failed the run for this damage. This one abandons the attempt and plans the next.
    if (epoch === context.markers.epoch && isTooMany(failures))
      await failAfterTooMany(context, { round, ...failures, why: `RecordDamaged: ${message}` })
  }
}

/** Runs attempts from number `first` until one closes. Throws RunFailed after maxFailedRounds abandoned attempts. */
async function runUntilOneCloses(
  context: AttemptsContext,
  assignment: RoundAssignment,
  first: number,
  counted: Counted,
): Promise<ClosedAttempt> {
  const { clock, markers, observe, pace } = context
  const { round, kind } = assignment
  let { lost } = assignment
  let tooFewInRow = 0
  for (let attempt = first; ; attempt += 1) {
    const began = clock.now()
    const ended = await runAttempt(context, { ...assignment, ...counted, attempt, lost })
    if (ended === 'OtherPurpose') continue
    const { plan, decision, admitted, receipts } = ended
    if (decision.value.kind === 'Closed') {
      const closed = decision as Marked<ClosedDecision>
      return { plan: plan!, decision: closed, admitted, receipts, seconds: clock.now() - began }
    }
    const { reason, message, outcomes, epoch, failures } = decision.value
    lost = lostClients(outcomes)
    tooFewInRow = reason === 'NotEnoughClients' ? tooFewInRow + 1 : 0
    counted.failures = failures
    // An earlier coordinator paused after its own decisions. If it failed the run, a person has started the run again since.
    const isOwn = epoch === markers.epoch
    const seconds = isOwn && kind !== 'Evaluate' ? pauseAfter(tooFewInRow, backoffOf(pace)) : 0
    const isLast = isOwn && failures !== null && isTooMany(failures)
    const abandoned = { round, attempt, kind, reason, message, outcomes }
    observe({ event: 'AttemptAbandoned', ...abandoned, pauseSeconds: isLast ? 0 : seconds })
    failForForeignTensors(context, round, outcomes)
    if (isLast) await failAfterTooMany(context, { round, ...failures, why: `${reason}: ${message}` })
    await pause(context, seconds)
  }
}

/**
 * The user's initial parameters, or the run that this one starts from, fix the tensors of the run. Clients that train other tensors
 * would be rejected in every attempt, so the first attempt fails the run. Throws BadCheckpoint, BadRecord.
 */
function failForForeignTensors(
  { fixed, markers }: Pick<AttemptsContext, 'fixed' | 'markers'>,
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

async function pause(context: AttemptsContext, seconds: number): Promise<void> {
  const { clock, notifier, guard } = context
  const until = clock.now() + seconds
  for (let left = seconds; left > 0; left = until - clock.now()) {
    guard.throwIfStopped()
    await waitAtMost(notifier.next(), left, context)
  }
}

/**
 * The round's result: another coordinator's where it wrote one, else made here. Resolves to the error where the attempt's updates
 * are damaged and no coordinator has written a result.
 */
async function finishAttempt(
  context: AttemptsContext,
  closed: ClosedAttempt,
  finish: Finish,
): Promise<ConcludedRound | FedsamError> {
  const { epoch, round } = closed.decision.value
  try {
    const theirs = epoch === context.markers.epoch ? undefined : await resultOf(context, round)
    return await conclude(context, closed, theirs ?? (await finish(closed)))
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    // A newer or older coordinator deletes the updates that this one reads, once it has the round's result.
    const theirs = await resultOf(context, round)
    return theirs === undefined ? error : conclude(context, closed, theirs)
  }
}

/** The result may come from another coordinator's attempt. Then the decision of that attempt counts. */
async function conclude(
  { markers }: Pick<AttemptsContext, 'markers'>,
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

/** A round's result, where another coordinator wrote one. Throws Superseded where that coordinator is newer. */
async function resultOf(
  { guard, markers }: Pick<AttemptsContext, 'guard' | 'markers'>,
  round: number,
): Promise<Marked<RoundResult> | undefined> {
  await guard.assertCurrent()
  return markers.result(round)
}

/** Throws RunFailed; or Superseded, since a failure that an older coordinator meets beside a newer one is not the run's. */
async function failAfterTooMany(
  { guard }: Pick<AttemptsContext, 'guard'>,
  { round, count, why }: { round: number; count: number; why: string },
): Promise<void> {
  await guard.assertCurrent()
  const times = count === 1 ? 'once' : `${count} times`
  throw new FedsamError('RunFailed', `round ${round} was abandoned ${times}: ${why}`, {
    reason: 'TooManyFailedRounds',
    remedy:
      'correct the cause and start the run again: it has maxFailedRounds new attempts, and all of spec.round may change',
  })
}
