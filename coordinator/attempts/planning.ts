// Opens an attempt: waits until enough clients are there, chooses the cohort, leaves plan.json; or gives the attempt up.
import { canonicalJson } from '#protocol/canonical.ts'
import type { ClientOutcome, Plan, RoundResult } from '#protocol/record.ts'
import { rankClients } from '#protocol/seeds.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import type { Marked } from '../record/markers.ts'
import { decideAvailability, enoughSince } from '../rounds/availability.ts'
import { chooseCohort } from '../rounds/cohort.ts'
import type { Failures } from '../rounds/failures.ts'
import { type RunContext, throwIfStopped } from '../run/context.ts'

/** What an attempt is to be. */
export interface AttemptAssignment {
  readonly round: number
  readonly attempt: number
  readonly kind: Plan['kind']
  /** The result that it starts from; null only for Initialise. */
  readonly previous: Marked<RoundResult> | null
  /** Clients that were lost in the attempt before. */
  readonly lost: readonly string[]
  /** What counts against maxFailedRounds before this attempt; null: nothing. */
  readonly failures: Failures | null
}

/** A plan to leave, or who was missing. */
export type Opening =
  | { readonly kind: 'Open'; readonly plan: Omit<Plan, 'epoch'> }
  | { readonly kind: 'Abandon'; readonly needed: number; readonly absent: readonly ClientOutcome[] }

/** Waits for the clients of an attempt and plans it. */
export async function awaitOpening(context: RunContext, assignment: AttemptAssignment): Promise<Opening> {
  const { clock, presence, notifier, live, fixed, observe } = context
  const began = clock.now()
  let settling: number | null = null
  let told = ''
  for (;;) {
    throwIfStopped(context)
    const notified = notifier.next()
    const { members, round } = live()
    const { counted, awaited } = whoIsAwaited(context, assignment)
    const available = counted.filter(presence.isPresent)
    const needed = assignment.kind === 'Train' ? fixed.minAvailableClients : 1
    settling = enoughSince(settling, available.length >= needed, clock.now())
    const decision = decideAvailability({
      counted,
      awaited,
      present: awaited.filter(presence.isPresent),
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
    const absent = decision.missing.map(presence.absence)
    if (told !== canonicalJson(absent)) {
      told = canonicalJson(absent)
      const { round: number, attempt, kind } = assignment
      const roster = members.map(({ name }) => name)
      const { missing } = decision
      observe({
        event: 'Waiting',
        round: number,
        attempt,
        kind,
        roster,
        available,
        missing,
        absent,
        needed,
      })
    }
    await waitAtMost(notified, Math.min(decision.seconds, context.pace.silenceSeconds), context)
  }
}

/** Whom an attempt counts and waits for. A model is evaluated by everybody, so that no luck at the start decides which is best. */
function whoIsAwaited(
  { live, fixed }: RunContext,
  { kind }: AttemptAssignment,
): { counted: readonly string[]; awaited: readonly string[] } {
  const { members } = live()
  const everybody = members.map(({ name }) => name)
  if (kind === 'Evaluate') return { counted: everybody, awaited: everybody }
  const counted = members.filter(({ train }) => train).map(({ name }) => name)
  const evaluates = kind === 'Train' && fixed.fractionEvaluate > 0
  return { counted, awaited: evaluates ? everybody : counted }
}

/** Whom the attempt before lost. Round 0 waited for trainers alone, so it lost nobody else. */
function lostBefore({ live }: RunContext, { round, attempt, lost }: AttemptAssignment): readonly string[] {
  if (round > 1 || attempt > 1) return lost
  return lost.filter((client) => live().members.some(({ name, train }) => name === client && train))
}

function draftPlan(context: RunContext, assignment: AttemptAssignment): Omit<Plan, 'epoch'> {
  const { fixed, live, presence } = context
  const { round, attempt, kind, previous } = assignment
  const { members, round: pace, generation } = live()
  const available = members.filter(({ name }) => presence.isPresent(name))
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
    generation,
    protocol: 'Plain',
  }
}

/** How many of those asked must report for the attempt to count; of an evaluation, for the grace to begin. */
function quorumOf({ live, strategy }: RunContext, kind: Plan['kind'], asked: number): number {
  if (kind === 'Initialise') return asked
  const wanted = Math.min(live().round.quorum, asked)
  return kind === 'Train' ? Math.max(wanted, strategy.minimum) : wanted
}
