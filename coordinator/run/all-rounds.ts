// The rounds of a run from where its record ends: the initial parameters, the training rounds, the evaluation of the last
// model. What falls out of the record's window is deleted beside the next round (record/retention.ts).
import { FedsamError } from '#protocol/errors.ts'
import { initialDTypes, narrowTensors } from '#protocol/initial-dtypes.ts'
import type { ClosedDecision, RoundResult } from '#protocol/record.ts'
import type { DType } from '#protocol/tensors.ts'
import { fold } from '../aggregation/fold.ts'
import { adviceOn } from '../aggregation/tensor-rules.ts'
import { type ClosedAttempt, type ConcludedRound, concludeRound } from '../attempts/attempts.ts'
import { type DecidedUpdate, updatesOf } from '../attempts/updates.ts'
import type { Marked } from '../record/markers.ts'
import { noteEvaluation, noteResult, type Progress } from '../record/progress.ts'
import { openRetention } from '../record/retention.ts'
import { type Initialised, initialise } from '../start/initial-parameters.ts'
import { type RunContext, throwIfStopped } from './context.ts'

/** Runs what is left of the rounds. `progress` grows with each. */
export async function runRounds(context: RunContext, progress: Progress): Promise<void> {
  const retention = openRetention(context, progress)
  // A coordinator before this one may have ended before it deleted.
  retention.tidy()
  try {
    if (progress.results.length === 0) {
      const begun = await initialise(context)
      noteResult(progress, begun.result, begun.decision)
      reportStart(context, begun)
    }
    // The evaluation of the last model has the place of the next round: after it no round follows.
    while (
      progress.evaluated === null &&
      !progress.stopped &&
      progress.results.at(-1)!.value.round < context.live().rounds
    ) {
      await trainRound(context, progress)
      retention.tidy()
    }
    if (progress.evaluated === null) await evaluateLast(context, progress)
    // The last evaluation may have found a better model than the best one so far.
    retention.tidy()
  } finally {
    await retention.settled()
  }
}

function reportStart({ markers, strategy, observe }: RunContext, { result, carried }: Initialised): void {
  const { origin, tensors } = result.value
  const { kind, client } = origin!
  const narrow = [...narrowTensors(result.value).values()]
  const counts = Object.fromEntries(
    [...Map.groupBy(narrow, (dtype) => dtype)].map(([dtype, all]) => [dtype, all.length]),
  )
  const { resumedFrom } = markers.run.value
  const resumed =
    resumedFrom === undefined || carried === undefined ? null : { ...resumedFrom, state: carried }
  observe({ event: 'Initialised', origin: kind, client, narrow: counts, resumed, head: result.digest })
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
    { round, kind: 'Train', previous, history, lost, dtypes: dtypesOf(progress) },
    async (closed) => {
      const folded = await foldRound(context, previous, closed)
      rejected = folded.rejected
      return folded.result
    },
  )
  note(progress, concluded)
  report(context, concluded, rejected)
}

/** Another coordinator may have left a result of the other kind: where it evaluated the last model, training has ended. */
function note(progress: Progress, { kind, result, decision }: ConcludedRound): void {
  if (kind === 'Evaluate') {
    noteEvaluation(progress, decision)
    progress.evaluated = result
  } else noteResult(progress, result, decision)
}

/** The element types that tasks name: the record says them, so that every coordinator sends the same. */
function dtypesOf({ results }: Progress): readonly DType[] | null {
  return initialDTypes(results[0]!.value)
}

/** From the updates that the decision names to the new model, and its result. */
async function foldRound(
  context: RunContext,
  previous: Marked<RoundResult>,
  { plan, decision, admitted, seconds }: ClosedAttempt,
): Promise<{ result: Marked<RoundResult>; rejected: readonly string[] }> {
  const { markers, fixed, strategy, foldBuffers, updateBuffers, clock, signal } = context
  const { round, attempt } = plan.value
  const began = clock.now()
  const updates = await updatesOf(markers, decision.value, admitted ?? [])
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
    throwIfStopped(context)
    throw error
  })
  // Nobody looks at them any more.
  for (const { bytes } of admitted ?? []) if (bytes !== undefined) updateBuffers.giveBack(bytes)
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
    tensors,
    origin: null,
    metrics: meanMetrics(updates),
    timings: { attemptSeconds: seconds, foldSeconds: clock.now() - began },
  })
  return { result, rejected: folded.rejected }
}

/** Training metrics of a round: weighted by examples, those that every update reports. */
function meanMetrics(updates: readonly DecidedUpdate[]): Record<string, number> {
  const total = updates.reduce((sum, { numExamples }) => sum + numExamples, 0)
  const shared = Object.keys(updates[0]?.metrics ?? {})
    .filter((name) => updates.every(({ metrics }) => Object.hasOwn(metrics, name)))
    .sort()
  const mean = (name: string): number =>
    updates.reduce((sum, { metrics, numExamples }) => sum + metrics[name]! * numExamples, 0) / total
  return Object.fromEntries(shared.map((name) => [name, mean(name)]))
}

/** `rejected`: clients whose update the strategy gave the weight 0 in the fold. */
function report(
  context: RunContext,
  { kind, closed, decision, result }: ConcludedRound,
  rejected: readonly string[],
): void {
  const { outcomes, evaluation, evaluations, notEvaluated, updates, best }: ClosedDecision = decision
  const { round, attempt, metrics } = result.value
  for (const client of rejected) {
    const message = `the strategy ${context.strategy.name} left it out`
    context.observe({ event: 'UpdateRejected', round, client, reason: 'Unacceptable', message })
  }
  context.observe({
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
    metrics,
    seconds: closed.seconds,
    head: result.digest,
    best,
    sentBytes: context.floor.sentBytes,
  })
  context.floor.sentBytes = 0
}

/** One attempt that only evaluates the last model. Nobody there to evaluate is no reason to lose the run. */
async function evaluateLast(context: RunContext, progress: Progress): Promise<void> {
  if (context.fixed.fractionEvaluate === 0) return
  const previous = progress.results.at(-1)!
  const round = previous.value.round + 1
  const { lost, history } = progress
  try {
    const concluded = await concludeRound(
      context,
      { round, kind: 'Evaluate', previous, history, lost, dtypes: dtypesOf(progress) },
      ({ plan, decision, seconds }) =>
        context.markers.writeResult({
          ...previous.value,
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
