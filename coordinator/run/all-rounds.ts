// Runs the rounds that the record lacks: the initial parameters, the training rounds, and the evaluation of the last model. It
// deletes expired payloads while the next round runs (record/retention.ts). The output is left to run-from-record.ts.
import { FedsamError } from '#protocol/errors.ts'
import { initialDTypes, narrowTensors } from '#protocol/initial-dtypes.ts'
import type { ClosedDecision, RoundResult } from '#protocol/record.ts'
import type { DType } from '#protocol/tensors.ts'
import { meanMetrics } from '../aggregation/evaluation.ts'
import { fold } from '../aggregation/fold.ts'
import { adviceOn } from '../aggregation/tensor-rules.ts'
import { type ClosedAttempt, type ConcludedRound, concludeRound } from '../attempts/round.ts'
import { updatesOf } from '../attempts/updates.ts'
import { readStates, writeStates } from '../record/client-states.ts'
import type { Marked } from '../record/markers.ts'
import { noteEvaluation, noteResult, type Progress, pastNorms } from '../record/progress.ts'
import { openRetention } from '../record/retention.ts'
import { outliersOf } from '../rounds/outliers.ts'
import { type Initialised, initialise } from '../start/initial-parameters.ts'
import type { RunContext } from './context.ts'

/** Runs the remaining rounds. `progress` grows with each. */
export async function runRounds(context: RunContext, progress: Progress): Promise<void> {
  const { markers, guard, fixed, signal } = context
  const { retentionRounds, stopping } = fixed
  const retention = openRetention({ markers, guard, retentionRounds, stopping, signal }, progress)
  // An earlier coordinator may have ended before it deleted.
  retention.tidy()
  try {
    if (progress.results.length === 0) {
      const begun = await initialise(context)
      noteResult(progress, begun.result, begun.decision)
      reportStart(context, begun)
    }
    // The evaluation of the last model takes the number of the next round. No round follows it.
    while (
      progress.evaluated === null &&
      !progress.stopped &&
      progress.results.at(-1)!.value.round < context.live().rounds
    ) {
      await trainRound(context, progress)
      retention.tidy()
    }
    if (progress.evaluated === null) await evaluateLast(context, progress)
    // The last evaluation may have changed which model is the best.
    retention.tidy()
  } finally {
    await retention.settled()
  }
}

function reportStart(
  { markers, strategy, observe }: Pick<RunContext, 'markers' | 'strategy' | 'observe'>,
  { result, carried }: Initialised,
): void {
  const { origin, tensors } = result.value
  const { kind, client } = origin!
  const dtypes = [...narrowTensors(result.value).values()]
  const counts = [...Map.groupBy(dtypes, (dtype) => dtype)].map(([dtype, all]) => [dtype, all.length])
  const narrow = Object.fromEntries(counts)
  const { resumedFrom } = markers.run.value
  const resumed =
    resumedFrom === undefined || carried === undefined ? null : { ...resumedFrom, state: carried }
  observe({ event: 'Initialised', origin: kind, client, narrow, resumed, head: result.digest })
  const message = adviceOn(tensors, strategy)
  if (message !== undefined) observe({ event: 'Advice', topic: 'TensorNames', message })
}

async function trainRound(context: RunContext, progress: Progress): Promise<void> {
  const previous = progress.results.at(-1)!
  const round = previous.value.round + 1
  const { lost, history } = progress
  let rejected: readonly string[] = []
  const concluded = await concludeRound(
    context,
    {
      round,
      kind: 'Train',
      previous,
      history,
      lost,
      norms: pastNorms(progress),
      dtypes: dtypesOf(progress),
      states: await readStates(context.markers.store, previous.value),
    },
    async (closed) => {
      const folded = await foldRound(context, previous, closed)
      rejected = folded.rejected
      return folded.result
    },
  )
  note(progress, concluded)
  report(context, concluded, rejected)
}

/** Another coordinator may have written a result of the other kind. If it evaluated the last model, training has ended. */
function note(progress: Progress, { kind, result, decision }: ConcludedRound): void {
  if (kind === 'Evaluate') {
    noteEvaluation(progress, decision)
    progress.evaluated = result
  } else noteResult(progress, result, decision)
}

/** The element types that tasks name. They come from the record, so that every coordinator sends the same ones. */
function dtypesOf({ results }: Progress): readonly DType[] | null {
  return initialDTypes(results[0]!.value)
}

/** Folds the updates that the decision names into the new model, and writes the result. */
async function foldRound(
  context: RunContext,
  previous: Marked<RoundResult>,
  { plan, decision, admitted, receipts, seconds }: ClosedAttempt,
): Promise<{ result: Marked<RoundResult>; rejected: readonly string[] }> {
  const { markers, fixed, strategy, foldBuffers, updateBuffers, clock, guard, signal } = context
  const { round, attempt } = plan.value
  const began = clock.now()
  const updates = await updatesOf(markers.store, { plan, decision }, admitted ?? [])
  const { model, state, tensors } = previous.value
  const folded = await fold({
    store: markers.store,
    list: tensors,
    base: model,
    updates,
    strategy,
    state,
    round,
    attempt,
    memoryBytes: fixed.memoryBytes,
    buffers: foldBuffers,
    signal,
  }).catch((error: unknown) => {
    guard.throwIfStopped()
    throw error
  })
  // No one reads these buffers any more.
  for (const { bytes } of admitted ?? []) if (bytes !== undefined) updateBuffers.giveBack(bytes)
  const states = await writeStates(markers.store, {
    decision: decision.value,
    previous: previous.value,
    receipts,
  })
  const result = await markers.writeResult({
    schema: 'fedsam.result/1',
    round,
    attempt,
    run: markers.run.digest,
    plan: plan.digest,
    decision: decision.digest,
    previous: previous.digest,
    model: folded.model,
    state: folded.state,
    ...states,
    tensors,
    origin: null,
    metrics: meanMetrics(updates),
    timings: { attemptSeconds: seconds, foldSeconds: clock.now() - began },
  })
  return { result, rejected: folded.rejected }
}

/** `rejected`: clients whose update the strategy gave the weight 0 in the fold. */
function report(
  { observe, strategy, current }: Pick<RunContext, 'observe' | 'strategy' | 'current'>,
  { kind, closed, decision, result }: ConcludedRound,
  rejected: readonly string[],
): void {
  const { outcomes, evaluation, evaluations, notEvaluated, updates, best }: ClosedDecision = decision
  const { round, attempt, metrics } = result.value
  for (const client of rejected) {
    const message = `the strategy ${strategy.name} gave it the weight 0`
    observe({ event: 'UpdateRejected', round, client, reason: 'Unacceptable', message })
  }
  observe({
    event: 'RoundCompleted',
    round,
    attempt,
    kind: kind === 'Evaluate' ? kind : 'Train',
    cohort: closed.plan.value.cohort,
    accepted: updates.map(({ client }) => client).filter((client) => !rejected.includes(client)),
    outcomes: outcomes.map((outcome) =>
      rejected.includes(outcome.client)
        ? { client: outcome.client, outcome: 'Rejected', reason: 'Unacceptable', message: '' }
        : outcome,
    ),
    evaluation,
    evaluations,
    notEvaluated,
    outliers: outliersOf(decision),
    metrics,
    seconds: closed.seconds,
    head: result.digest,
    best,
    sentBytes: current.takeGranted(),
  })
}

/** Evaluates the last model in one more attempt. If no client can evaluate, the run still completes. */
async function evaluateLast(context: RunContext, progress: Progress): Promise<void> {
  if (context.fixed.fractionEvaluate === 0) return
  const previous = progress.results.at(-1)!
  const round = previous.value.round + 1
  const { lost, history } = progress
  const { store } = context.markers
  const states = await readStates(store, previous.value)
  try {
    const concluded = await concludeRound(
      context,
      { round, kind: 'Evaluate', previous, history, lost, norms: [], dtypes: dtypesOf(progress), states },
      async ({ plan, decision, receipts, seconds }) =>
        context.markers.writeResult({
          ...previous.value,
          ...(await writeStates(store, {
            decision: decision.value,
            previous: previous.value,
            receipts,
          })),
          round,
          attempt: plan.value.attempt,
          plan: plan.digest,
          decision: decision.digest,
          previous: previous.digest,
          origin: null,
          metrics: {},
          timings: { attemptSeconds: seconds, foldSeconds: 0 },
        }),
    )
    note(progress, concluded)
    report(context, concluded, [])
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RunFailed') throw error
  }
}
