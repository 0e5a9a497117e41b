// Waits until enough clients are ready, then drafts the attempt's plan with its cohort; or gives the attempt up. It stores nothing:
// round.ts writes the plan. rounds/ decides how long to wait and who takes part.
import { canonicalJson } from '#protocol/canonical.ts'
import type { ClientOutcome, Plan } from '#protocol/record.ts'
import { rankClients } from '#protocol/seeds.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import { decideAvailability, enoughSince } from '../rounds/availability.ts'
import { chooseCohort } from '../rounds/cohort.ts'
import type { Member } from '../settings/settings.ts'
import type { AttemptAssignment } from './assignment.ts'
import type { AttemptsContext } from './context.ts'

/** A plan to store, or the clients that were missing. */
export type Opening =
  | { readonly kind: 'Open'; readonly plan: Omit<Plan, 'epoch'> }
  | { readonly kind: 'Abandon'; readonly needed: number; readonly absent: readonly ClientOutcome[] }

/** Waits for the clients of an attempt and drafts its plan. */
export async function awaitOpening(
  context: AttemptsContext,
  assignment: AttemptAssignment,
): Promise<Opening> {
  const { clock, presence, notifier, live, fixed, guard, pace, sites } = context
  const report = reportWaiting(context, assignment)
  const began = clock.now()
  let settling: number | null = null
  for (;;) {
    guard.throwIfStopped()
    const notified = notifier.next()
    sites.report()
    const { round } = live()
    const { counted, awaited } = whoIsAwaited(context, assignment)
    const available = counted.filter(presence.isReady)
    const needed = assignment.kind === 'Train' ? fixed.minAvailableClients : 1
    settling = enoughSince(settling, available.length >= needed, clock.now())
    const decision = decideAvailability({
      counted,
      awaited,
      present: awaited.filter(presence.isReady),
      minAvailableClients: needed,
      availabilitySeconds: round.availabilitySeconds,
      settleSeconds: round.settleSeconds,
      lost: lostBefore(context, assignment),
      waited: clock.now() - began,
      settled: settling === null ? null : clock.now() - settling,
    })
    if (decision.kind === 'Abandon')
      return { ...decision, absent: decision.missing.map(presence.absence), needed }
    if (decision.kind === 'Open') return { kind: 'Open', plan: draftPlan(context, assignment) }
    report({ available, missing: decision.missing, needed })
    await waitAtMost(notified, Math.min(decision.seconds, pace.silenceSeconds), context)
  }
}

/** Reports what the attempt waits for, each time that it changes. */
function reportWaiting(
  { presence, live, observe }: Pick<AttemptsContext, 'presence' | 'live' | 'observe'>,
  { round, attempt, kind }: AttemptAssignment,
): (waiting: { available: string[]; missing: readonly string[]; needed: number }) => void {
  let reported = ''
  return ({ available, missing, needed }) => {
    const absent = missing.map(presence.absence)
    const text = canonicalJson(absent)
    if (reported === text) return
    reported = text
    const roster = live().members.map(({ name }) => name)
    observe({ event: 'Waiting', round, attempt, kind, roster, available, missing, absent, needed })
  }
}

/**
 * The clients of whom enough must be ready, and the clients that the attempt waits for. Every client evaluates the last model, so
 * that chance at the start does not decide which model is best.
 */
function whoIsAwaited(
  { live, fixed }: Pick<AttemptsContext, 'live' | 'fixed'>,
  { kind }: AttemptAssignment,
): { counted: readonly string[]; awaited: readonly string[] } {
  const { members } = live()
  const all = members.map(({ name }) => name)
  if (kind === 'Evaluate') return { counted: all, awaited: all }
  const counted = members.filter(({ train }) => train).map(({ name }) => name)
  const evaluates = kind === 'Train' && fixed.fractionEvaluate > 0
  return { counted, awaited: evaluates ? all : counted }
}

/** Clients that the attempt before lost. Round 0 waited for trainers only, so it can have lost only trainers. */
function lostBefore(
  { live }: Pick<AttemptsContext, 'live'>,
  { round, attempt, lost }: AttemptAssignment,
): readonly string[] {
  if (round > 1 || attempt > 1) return lost
  return lost.filter((client) => live().members.some(({ name, train }) => name === client && train))
}

function draftPlan(context: AttemptsContext, assignment: AttemptAssignment): Omit<Plan, 'epoch'> {
  const { fixed, live, presence } = context
  const { round, attempt, kind, previous } = assignment
  const { members, round: pace, generation } = live()
  const available = members.filter(({ name }) => presence.isReady(name))
  const trainers = available.filter(({ train }) => train).map(({ name }) => name)
  const onlookers = available.filter(({ train }) => !train).map(({ name }) => name)
  const chosen = chooseCohort({ ...fixed, round, attempt, trainers, onlookers })
  const cohort = {
    Train: chosen.cohort,
    Evaluate: [],
    Initialise: rankClients(fixed.seed, round, attempt, trainers).slice(0, 1),
  }[kind]
  const evaluators = kind === 'Initialise' ? [] : chosen.evaluators
  const asked = kind === 'Evaluate' ? evaluators : cohort
  return {
    schema: 'fedsam.plan/1',
    round,
    attempt,
    kind,
    roster: members.map(({ name }) => name).sort(),
    available: available.map(({ name }) => name).sort(),
    cohort,
    evaluators,
    base: previous === null ? null : { round: previous.value.round, payload: previous.value.model },
    config: { ...fixed.config },
    strategy: { ...fixed.strategy },
    quorum: quorumOf(context, kind, asked.length),
    deadlineSeconds: pace.deadlineSeconds,
    graceSeconds: pace.graceSeconds,
    maxExamples: pace.maxExamples,
    generation,
    protocol: 'Plain',
    receipts: 'Signed',
    ...sitesOf(members),
  }
}

/** The keys by which receipts of sites count in the attempt. */
function sitesOf(members: readonly Member[]): Pick<Plan, 'sites'> {
  const sites = members.flatMap(({ name, publicKey }) => (publicKey ? [{ name, key: publicKey }] : []))
  return sites.length === 0 ? {} : { sites }
}

/** How many of the asked clients must report before the attempt counts; for an evaluation, before the grace begins. */
function quorumOf(
  { live, strategy }: Pick<AttemptsContext, 'live' | 'strategy'>,
  kind: Plan['kind'],
  asked: number,
): number {
  if (kind === 'Initialise') return asked
  const wanted = Math.min(live().round.quorum, asked)
  return kind === 'Train' ? Math.max(wanted, strategy.minimum) : wanted
}
