// Runs one attempt at a round: reads what the record has of it, waits for clients, writes the plan, opens the attempt, and
// returns its decision. A coordinator that takes over an attempt enters at the first step that the record lacks. round.ts
// decides what follows.
import { stateRule } from '#protocol/client-state.ts'
import type { AbandonedDecision, ClosedDecision, Plan, Receipt } from '#protocol/record.ts'
import type { Marked } from '../record/markers.ts'
import { admitTo } from './admission.ts'
import type { AttemptAssignment } from './assignment.ts'
import { openAttempt } from './attempt.ts'
import type { AttemptsContext } from './context.ts'
import { abandonUnopened } from './decision.ts'
import type { Change } from './participants.ts'
import { awaitOpening } from './planning.ts'
import type { AdmittedUpdate } from './receipts.ts'
import { runUntilClosed } from './until-closed.ts'

/** An attempt with its decision. */
export interface EndedAttempt {
  readonly plan: Marked<Plan> | undefined
  readonly decision: Marked<ClosedDecision | AbandonedDecision>
  /** Updates that this coordinator admitted, some with their bytes; null where the record had the decision already. */
  readonly admitted: readonly AdmittedUpdate[] | null
  /** The receipts that this coordinator counted; empty where the record had the decision already. */
  readonly receipts: readonly Marked<Receipt>[]
}

/**
 * Resolves to OtherPurpose where the attempt was planned for another purpose: it evaluates the last model, and the job has received
 * more rounds since. Such an attempt never closes this round, and counts as no failure.
 */
export async function runAttempt(
  context: AttemptsContext,
  assignment: AttemptAssignment,
): Promise<EndedAttempt | 'OtherPurpose'> {
  const { markers, fixed, guard, leftovers, notifier } = context
  const { round, attempt, previous, kind } = assignment
  guard.throwIfStopped()
  // If this coordinator made the round before, no other one can have begun this attempt, unless writing the plan shows it.
  const isNew = attempt === 1 && previous !== null && previous.value.epoch === markers.epoch
  const [planned, decided] = isNew
    ? []
    : await Promise.all([markers.plan(round, attempt), markers.decision(round, attempt)])
  if (planned !== undefined && planned.value.kind !== kind) return 'OtherPurpose'
  if (decided !== undefined) {
    if (planned !== undefined) await leftovers.cleanDecided(planned.value)
    return { plan: planned, decision: decided, admitted: null, receipts: [] }
  }
  const plan = planned ?? (await planAttempt(context, assignment))
  if (plan === 'OtherPurpose' || 'decision' in plan) return plan
  const open = openAttempt({
    markers,
    clientKeys: context.clientKeys,
    plan,
    seed: fixed.seed,
    dtypes: assignment.dtypes,
    states: { rule: stateRule(plan.value.strategy), last: assignment.states },
    until: context.clock.now() + plan.value.deadlineSeconds,
    admit: admitTo(context, plan.value, previous?.value.tensors ?? null),
    onChange: (client, change) => {
      report(context, round, client, change)
      notifier.notify()
    },
  })
  const decision = await runUntilClosed(context, assignment, open)
  return { plan, decision, admitted: open.updates(), receipts: open.receipts() }
}

/** Waits for the clients and writes the plan. Another coordinator may have written the plan meanwhile, and the decision too. */
async function planAttempt(
  context: AttemptsContext,
  assignment: AttemptAssignment,
): Promise<Marked<Plan> | EndedAttempt | 'OtherPurpose'> {
  const { markers } = context
  const { round, attempt, kind } = assignment
  const opening = await awaitOpening(context, assignment)
  if (opening.kind === 'Abandon') {
    const decision = await abandonUnopened(context, assignment, opening)
    return { plan: await markers.plan(round, attempt), decision, admitted: null, receipts: [] }
  }
  const plan = await markers.writePlan(opening.plan)
  if (plan.value.kind !== kind) return 'OtherPurpose'
  const theirs = plan.value.epoch === markers.epoch ? undefined : await markers.decision(round, attempt)
  return theirs === undefined ? plan : { plan, decision: theirs, admitted: null, receipts: [] }
}

function report(
  { observe }: Pick<AttemptsContext, 'observe'>,
  round: number,
  client: string,
  change: Change,
): void {
  if (change.kind === 'Settled') {
    const { outcome, reason, message } = change.outcome
    if (outcome === 'Rejected') observe({ event: 'UpdateRejected', round, client, reason, message })
    if (outcome === 'Failed') observe({ event: 'ClientFailed', round, client, reason, message })
    return
  }
  const { receipt } = change.kind === 'Admitted' ? change.update : change
  const { notEvaluated } = receipt.value
  if (notEvaluated?.outcome === 'Failed') {
    const { reason, message } = notEvaluated
    observe({ event: 'EvaluationFailed', round, client, reason, message })
  }
  if (change.kind === 'Admitted') {
    const { numExamples, payload } = change.update
    observe({ event: 'UpdateAdmitted', round, client, numExamples, bytes: payload.size })
  }
}
