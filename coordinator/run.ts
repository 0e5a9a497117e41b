// A run from its record: claims an epoch, goes on where the record ends, leaves the output, says goodbye. The truth is in the
// store alone; killing this at any point and starting it again leads to the same model.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { MANIFEST_KEY, RUN_KEY } from '#protocol/keys.ts'
import type { ClosedDecision, Evaluation, PayloadRef, RoundResult, RunRecord } from '#protocol/record.ts'
import type { Clock } from '#transport/clock.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { probeStore } from '#transport/probe.ts'
import { fold } from './aggregation/fold.ts'
import { pinBase } from './base.ts'
import { createBell } from './bell.ts'
import { type RunContext, throwIfStopped, waitForChange } from './context.ts'
import { openDesk } from './desk.ts'
import { initialise } from './initial.ts'
import { leaveOutput } from './output.ts'
import { openPresence } from './presence.ts'
import { claimEpoch, type Marked, openBook, openRun, readRecord } from './record.ts'
import { type RetainedRound, retain } from './retention.ts'
import { type ClosedAttempt, closeRound } from './round.ts'
import type { Evaluated } from './rounds/stopping.ts'
import type { FixedSettings, LiveSettings, Pace } from './settings.ts'
import { strategyFrom } from './strategies/presets.ts'
import { updatesOf } from './updates.ts'

export interface CoordinateOptions {
  readonly store: ObjectStore
  readonly bus: MessageBus
  readonly fixed: FixedSettings
  readonly live: () => LiveSettings
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
}

/** How a run ended well. A run that failed throws FedsamError RunFailed. */
export interface RunOutcome {
  readonly rounds: number
  readonly model: PayloadRef
  readonly evaluation: Evaluation | null
}

/** What the record holds of the rounds so far. */
interface Progress {
  readonly results: Marked<RoundResult>[]
  /** Evaluations of the models by round, in order. */
  readonly history: Evaluated[]
  readonly retained: RetainedRound[]
  stopped: boolean
  evaluated: boolean
}

/** Runs the job to its end, from wherever its record stands. */
export async function coordinate(options: CoordinateOptions): Promise<RunOutcome> {
  const { store, fixed, live, clock, pace, observe, signal } = options
  await probeStore(store)
  const run = await openRun(store, await describeRun(store, fixed))
  const epoch = await claimEpoch(store, randomBytes(8).toString('hex'))
  const book = openBook(store, epoch, run)
  const context: RunContext = {
    book,
    fixed,
    live,
    strategy: strategyFrom(fixed.strategy),
    floor: { attempt: null, finished: null, told: new Set() },
    presence: openPresence(clock, pace.silenceSeconds),
    bell: createBell(),
    clock,
    pace,
    observe,
    signal,
  }
  const desk = await openDesk(context, options.bus)
  try {
    const outcome = await runRounds(context)
    await sayGoodbye(context, 'the run is complete')
    return outcome
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RunFailed') {
      observe({ event: 'RunFailed', code: error.code, message: error.message })
      await sayGoodbye(context, 'the run failed')
    }
    throw error
  } finally {
    await desk.stop()
  }
}

/** run.json as it should be; the base of a run that exists already is the one that it pinned. */
async function describeRun(store: ObjectStore, fixed: FixedSettings): Promise<RunRecord> {
  const there = await readRecord(store, 'run', RUN_KEY)
  const base = there?.value.base ?? (fixed.base === null ? null : await pinBase(store, fixed.base))
  return { schema: 'fedsam.run/1', name: fixed.name, uid: fixed.uid, spec: { ...fixed.spec }, seed: fixed.seed, base }
}

async function runRounds(context: RunContext): Promise<RunOutcome> {
  const progress = await readProgress(context)
  const completed = Math.max(0, progress.results.length - 1)
  const { epoch } = context.book
  context.observe({ event: 'RunStarted', name: context.fixed.name, epoch, rounds: context.live().rounds, completed })
  if (progress.results.length === 0) {
    const result = await initialise(context)
    progress.results.push(result)
    progress.retained.push({ result: result.value, decision: null })
  }
  while (!progress.stopped && progress.results.length - 1 < context.live().rounds) await trainRound(context, progress)
  if (!progress.evaluated) await evaluateLast(context, progress)
  return finish(context, progress)
}

/** Reads results from round 0 on until one is missing. */
async function readProgress(context: RunContext): Promise<Progress> {
  const progress: Progress = { results: [], history: [], retained: [], stopped: false, evaluated: false }
  for (let round = 0; ; round += 1) {
    const result = await context.book.result(round)
    if (result === undefined) return progress
    const { attempt } = result.value
    const decision = round === 0 ? undefined : await context.book.decision(round, attempt)
    const plan = round === 0 ? undefined : await context.book.plan(round, attempt)
    if (decision?.value.kind === 'Closed') note(progress, round, decision.value)
    if (plan?.value.kind === 'Evaluate') progress.evaluated = true
    else {
      progress.results.push(result)
      progress.retained.push({ result: result.value, decision: decision?.value.kind === 'Closed' ? decision.value : null })
    }
  }
}

/** The decision of round N holds the evaluation of model N - 1. */
function note(progress: Progress, round: number, decision: ClosedDecision): void {
  if (decision.evaluation !== null) progress.history.push({ round: round - 1, evaluation: decision.evaluation })
  if (decision.stop !== null) progress.stopped = true
}

async function trainRound(context: RunContext, progress: Progress): Promise<void> {
  const previous = progress.results.at(-1)!
  const round = previous.value.round + 1
  let first = 1
  for (;;) {
    const closed = await closeRound(context, { round, kind: 'Train', previous, history: progress.history }, first)
    const result = await foldRound(context, previous, closed)
    if (result === undefined) {
      first = closed.plan.value.attempt + 1
      continue
    }
    const decision = closed.decision.value
    progress.results.push(result)
    progress.retained.push({ result: result.value, decision })
    note(progress, round, decision)
    reportRound(context, closed, result)
    await retain(context, progress.retained, decision.best?.round ?? null)
    return
  }
}

/** Folds a closed attempt and leaves its result; undefined where its updates are damaged and a new attempt must be made. */
async function foldRound(
  context: RunContext,
  previous: Marked<RoundResult>,
  closed: ClosedAttempt,
): Promise<Marked<RoundResult> | undefined> {
  const { book, fixed, strategy, clock } = context
  const { plan, decision } = closed
  const { round, attempt } = plan.value
  // A later attempt was begun because this one could not be folded.
  if (closed.open === null && (await book.plan(round, attempt + 1)) !== undefined) return undefined
  const began = clock.now()
  try {
    const updates = closed.open?.updates() ?? (await updatesOf(book, round, decision.value))
    const folded = await fold({
      store: book.store,
      list: previous.value.tensors,
      base: previous.value.model,
      updates,
      strategy,
      state: previous.value.state,
      round,
      attempt,
      memoryBytes: fixed.memoryBytes,
      signal: context.signal,
    })
    return await book.leaveResult({
      schema: 'fedsam.result/1',
      round,
      attempt,
      run: book.run.digest,
      plan: plan.digest,
      decision: decision.digest,
      previous: previous.digest,
      model: folded.model,
      state: folded.state,
      tensors: previous.value.tensors,
      origin: null,
      metrics: meanMetrics(updates),
      timings: { attemptSeconds: closed.seconds, foldSeconds: clock.now() - began },
    })
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    const { outcomes } = decision.value
    context.observe({ event: 'AttemptAbandoned', round, attempt, reason: 'RecordDamaged', message: error.message, outcomes })
    return undefined
  }
}

/** Training metrics of a round: weighted by examples, those that every update reports. */
function meanMetrics(updates: readonly { numExamples: number; metrics: Readonly<Record<string, number>> }[]): Record<string, number> {
  const total = updates.reduce((sum, { numExamples }) => sum + numExamples, 0)
  const names = Object.keys(updates[0]?.metrics ?? {}).sort()
  return Object.fromEntries(
    names
      .filter((name) => updates.every(({ metrics }) => metrics[name] !== undefined))
      .map((name) => [name, updates.reduce((sum, u) => sum + u.metrics[name]! * u.numExamples, 0) / total]),
  )
}

function reportRound(context: RunContext, closed: ClosedAttempt, result: Marked<RoundResult>): void {
  const { outcomes, evaluation, evaluations, updates } = closed.decision.value
  context.observe({
    event: 'RoundCompleted',
    round: result.value.round,
    attempt: result.value.attempt,
    accepted: updates.map(({ client }) => client),
    outcomes,
    evaluation,
    evaluations,
    metrics: result.value.metrics,
    seconds: closed.seconds,
  })
}

/** One attempt that only evaluates the last model. Nobody there to evaluate is no reason to lose the run. */
async function evaluateLast(context: RunContext, progress: Progress): Promise<void> {
  if (context.fixed.fractionEvaluate === 0) return
  const previous = progress.results.at(-1)!
  const round = previous.value.round + 1
  try {
    const closed = await closeRound(context, { round, kind: 'Evaluate', previous, history: progress.history })
    const { plan, decision, seconds } = closed
    note(progress, round, decision.value)
    const result = await context.book.leaveResult({
      ...previous.value,
      round,
      attempt: plan.value.attempt,
      plan: plan.digest,
      decision: decision.digest,
      previous: previous.digest,
      origin: null,
      metrics: {},
      timings: { attemptSeconds: seconds, foldSeconds: 0 },
    })
    reportRound(context, closed, result)
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RunFailed') throw error
  }
}

async function finish(context: RunContext, progress: Progress): Promise<RunOutcome> {
  throwIfStopped(context)
  const last = progress.results.at(-1)!
  const { model, evaluation } = await leaveOutput(context, progress.results, progress.history)
  const rounds = last.value.round
  context.observe({ event: 'RunCompleted', rounds, output: MANIFEST_KEY, evaluation })
  return { rounds, model, evaluation }
}

/** Waits until every client that is there has been told, at most farewellSeconds. */
async function sayGoodbye(context: RunContext, reason: string): Promise<void> {
  const { floor, bell, clock, pace, presence, live, signal } = context
  floor.finished = reason
  bell.ring()
  const until = clock.now() + pace.farewellSeconds
  for (;;) {
    const rung = bell.rung()
    const untold = live().members.filter(({ name }) => presence.isPresent(name) && !floor.told.has(name))
    const left = until - clock.now()
    if (untold.length === 0 || left <= 0 || signal.aborted) return
    await waitForChange(context, rung, left)
  }
}
