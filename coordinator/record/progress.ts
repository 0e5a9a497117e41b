// The rounds that the record has: read once at the start, then extended as rounds are concluded. It holds the facts that later
// rounds depend on; the markers themselves are read and written in markers.ts.
import type { FinishedRound } from '#protocol/events.ts'
import { type ClosedDecision, firstRound, type RoundResult } from '#protocol/record.ts'
import { newestNorms } from '../rounds/clipping.ts'
import type { Evaluated } from '../rounds/stopping.ts'
import { lostClients } from './marker-facts.ts'
import type { Marked, RunMarkers } from './markers.ts'

/** A finished round: its result and its decision. The decision is null for parameters from a checkpoint or a file. */
export interface ConcludedResult {
  readonly result: RoundResult
  readonly decision: ClosedDecision | null
}

export interface Progress {
  /** The first result, that of the model which the run starts from, and those of the training rounds. */
  readonly results: Marked<RoundResult>[]
  /** Evaluations of the models by round, in order. */
  readonly history: Evaluated[]
  /** The rounds of `results` with their decisions. */
  readonly concluded: ConcludedResult[]
  /** Clients that the last attempt lost. */
  lost: readonly string[]
  /** Set by the decision after which no training round follows. */
  stopped: boolean
  /** The result of the attempt that only evaluates the last model. */
  evaluated: Marked<RoundResult> | null
}

/** Reads results from the run's first round on until one is missing. */
export async function readProgress(markers: RunMarkers): Promise<Progress> {
  const progress: Progress = {
    results: [],
    history: [],
    concluded: [],
    lost: [],
    stopped: false,
    evaluated: null,
  }
  for (let round = firstRound(markers.run.value); ; round += 1) {
    const result = await markers.result(round)
    if (result === undefined) return progress
    const { attempt, plan: planned } = result.value
    // Parameters from a checkpoint or a file have no plan.
    const [decision, plan] =
      planned === null
        ? []
        : await Promise.all([markers.decision(round, attempt), markers.plan(round, attempt)])
    const closed = decision?.value.kind === 'Closed' ? decision.value : null
    if (plan?.value.kind !== 'Evaluate') noteResult(progress, result, closed)
    else {
      progress.evaluated = result
      if (closed !== null) noteEvaluation(progress, closed)
    }
  }
}

/** Adds a concluded round. */
export function noteResult(
  progress: Progress,
  result: Marked<RoundResult>,
  decision: ClosedDecision | null,
): void {
  progress.results.push(result)
  progress.concluded.push({ result: result.value, decision })
  if (decision === null) return
  noteEvaluation(progress, decision)
  progress.lost = lostClients(decision.outcomes)
  // The job's number of rounds may have changed since the decision: so LastRound does not stop the run.
  if (decision.stop !== null && decision.stop.reason !== 'LastRound') progress.stopped = true
}

/** The decision of round N holds the evaluation of model N - 1. */
export function noteEvaluation(progress: Progress, { round, evaluation }: ClosedDecision): void {
  if (evaluation !== null) progress.history.push({ round: round - 1, evaluation })
}

/** The norms of the updates that the newest training rounds accepted. */
export function pastNorms({ concluded }: Pick<Progress, 'concluded'>): number[] {
  return newestNorms(concluded.map(({ result: { origin }, decision }) => ({ origin, decision }))).flat()
}

/** Finished rounds that a resumed coordinator reports: as many as status.training holds. */
const NEWEST = 10

/** A summary of the newest training rounds, for observers that did not see them finish. */
export function newestRounds({
  concluded,
  history,
}: Pick<Progress, 'concluded' | 'history'>): FinishedRound[] {
  return concluded
    .filter(({ result }) => result.origin === null)
    .slice(-NEWEST)
    .map(({ result, decision }) => {
      const updates = decision?.updates ?? []
      const others = (decision?.outcomes ?? []).filter(
        ({ client, outcome }) =>
          outcome !== 'NotSelected' && !updates.some((update) => update.client === client),
      )
      return {
        round: result.round,
        attempt: result.attempt,
        cohort: updates.length + others.length,
        accepted: updates.length,
        seconds: result.timings.attemptSeconds ?? 0,
        evaluation: history.find(({ round }) => round === result.round)?.evaluation ?? null,
      }
    })
}
