// A run from its record: claims an epoch, goes on where the record ends, leaves the output, says goodbye. The truth is in the
// store alone; killing this at any point and starting it again leads to the same model.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { MANIFEST_KEY, RUN_KEY } from '#protocol/keys.ts'
import type { Evaluation, PayloadRef, RunRecord } from '#protocol/record.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, type Notifier, waitAtMost } from '#runtime/notifier.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { probeStore } from '#transport/store/probe.ts'
import { createFoldBuffers } from '../aggregation/fold-buffers.ts'
import { createUpdateBuffers } from '../attempts/update-buffers.ts'
import { cleanDecided, deleteLeftovers } from '../clients/leftover-uploads.ts'
import { openPresence } from '../clients/presence.ts'
import { openRequestHandler } from '../clients/request-handler.ts'
import { claimEpoch, openMarkers, openRun, readRecord } from '../record/markers.ts'
import { writeOutput } from '../record/output.ts'
import { newestRounds, type Progress, readProgress } from '../record/progress.ts'
import { bestRound } from '../rounds/stopping.ts'
import type { FixedSettings, LiveSettings, Pace } from '../settings/settings.ts'
import { describeBase, pinBase } from '../start/base.ts'
import { pinSource } from '../start/resume.ts'
import { strategyFrom } from '../strategies/presets.ts'
import type { Strategy } from '../strategies/strategy.ts'
import { runRounds } from './all-rounds.ts'
import { assertCurrent, type RunContext, throwIfStopped, type Verify, watchEpoch } from './context.ts'

export interface CoordinateOptions {
  readonly store: ObjectStore
  readonly bus: MessageBus
  readonly fixed: FixedSettings
  readonly live: () => LiveSettings
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
  /** Whether a token is a client's; absent: whoever may use the bus is believed. */
  readonly verify?: Verify
  /** Rung from outside when `live` has changed. */
  readonly notifier?: Notifier
}

/** How a run ended well. A run that failed throws FedsamError RunFailed. */
export interface RunOutcome {
  readonly rounds: number
  readonly model: PayloadRef
  readonly evaluation: Evaluation | null
}

/** Runs the job to its end, from wherever its record stands. Throws RunFailed, Interrupted, Superseded. */
export async function coordinate(options: CoordinateOptions): Promise<RunOutcome> {
  // Releases whatever still waits when this ends, however it ends.
  const over = new AbortController()
  const context = await openContext(options, AbortSignal.any([options.signal, over.signal]))
  const progress = await readProgress(context.markers)
  announce(context, progress)
  const handler = await openRequestHandler(context, options.bus)
  const watching = watchEpoch(context)
  try {
    const outcome = await runToOutput(context, progress)
    await sayGoodbye(context, 'the run is complete')
    return outcome
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RunFailed') {
      const { code, message, reason = 'TooManyFailedRounds' } = error
      context.observe({ event: 'RunFailed', code, reason, message })
      await sayGoodbye(context, 'the run failed')
    }
    throw error
  } finally {
    over.abort()
    await Promise.all([handler.stop(), watching])
  }
}

/** Probes the store, and claims this coordinator's epoch in the run's record. */
async function openContext(options: CoordinateOptions, signal: AbortSignal): Promise<RunContext> {
  const { store, fixed, live, clock, pace, observe, verify, notifier = createNotifier() } = options
  const strategy = chosenStrategy(fixed)
  await probeStore(store)
  const run = await openRun(store, await describeRun(store, fixed))
  const epoch = await claimEpoch(store, randomBytes(8).toString('hex'))
  return {
    markers: openMarkers(store, epoch, run),
    fixed,
    live,
    strategy,
    foldBuffers: createFoldBuffers(fixed.memoryBytes),
    updateBuffers: createUpdateBuffers(),
    floor: {
      attempt: null,
      finished: null,
      left: new Set(),
      superseded: null,
      leftovers: new Map(),
      sentBytes: 0,
    },
    presence: openPresence(clock, pace.silenceSeconds),
    notifier,
    clock,
    pace,
    observe,
    signal,
    ...(verify === undefined ? {} : { verify }),
  }
}

/** Throws InvalidJob where rounds may bring too few updates: a job that was stored before the schema refused it. */
function chosenStrategy({ strategy: wanted, minFitClients }: FixedSettings): Strategy {
  const strategy = strategyFrom(wanted)
  const { name, minimum } = strategy
  if (minFitClients >= minimum) return strategy
  throw new FedsamError(
    'InvalidJob',
    `spec.strategy.minFitClients is ${minFitClients}, and ${name} needs ${minimum} updates`,
    { remedy: `set it to at least ${minimum}` },
  )
}

/** run.json as it should be; a run that exists already keeps the base and the start that it pinned. */
async function describeRun(store: ObjectStore, fixed: FixedSettings): Promise<RunRecord> {
  const { name, uid, seed } = fixed
  const own = { schema: 'fedsam.run/1', name, uid, spec: { ...fixed.spec }, seed } as const
  const there = (await readRecord(store, 'run', RUN_KEY))?.value
  if (there !== undefined) {
    const { base, resumedFrom } = there
    return { ...own, base, ...(resumedFrom === undefined ? {} : { resumedFrom }) }
  }
  const base = fixed.base === null ? null : await describeBase(fixed.base)
  // The record that the run starts from may be refused: nothing is written before.
  const resumedFrom = await pinSource(store, fixed, base)
  if (base !== null) await pinBase(store, fixed.base!.folder, base)
  return { ...own, base, ...(resumedFrom === null ? {} : { resumedFrom }) }
}

function announce({ markers, fixed, live, observe }: RunContext, progress: Progress): void {
  const { results, history, evaluated } = progress
  const { rounds, members } = live()
  observe({
    event: 'RunStarted',
    name: fixed.name,
    epoch: markers.epoch,
    rounds,
    completed: results.at(-1)?.value.round ?? 0,
    roster: members.map(({ name }) => name),
    head: (evaluated ?? results.at(-1))?.digest ?? null,
    best: bestRound(fixed.stopping, history),
    newest: newestRounds(progress),
  })
}

/** A coordinator before this one may have ended before it deleted what clients left in the last attempt. */
async function cleanLast(context: RunContext, { results }: Progress): Promise<void> {
  const last = results.at(-1)?.value
  if (context.markers.epoch === 1 || last === undefined) return
  const plan = await context.markers.plan(last.round, last.attempt)
  if (plan !== undefined) await cleanDecided(context, plan.value)
}

async function runToOutput(context: RunContext, progress: Progress): Promise<RunOutcome> {
  const { markers, observe } = context
  // The manifest is the last marker: where it is, there is nothing left to do.
  const complete = (await markers.store.size(MANIFEST_KEY)) !== undefined
  if (!complete) {
    await cleanLast(context, progress)
    await runRounds(context, progress)
    await assertCurrent(context)
    await deleteLeftovers(context)
  }
  throwIfStopped(context)
  const { model, evaluation, round, head } = await writeOutput(context, progress)
  const rounds = progress.results.at(-1)!.value.round
  const digest = model.sha256
  observe({ event: 'RunCompleted', rounds, output: MANIFEST_KEY, evaluation, round, digest, head })
  return { rounds, model, evaluation }
}

/**
 * Waits until every client that is there has said goodbye too, at most farewellSeconds. Clients of a coordinator before this
 * one may still wait for its answer, and be heard only then.
 */
async function sayGoodbye(context: RunContext, reason: string): Promise<void> {
  const { markers, floor, notifier, clock, pace, presence, live, signal } = context
  floor.finished = reason
  notifier.notify()
  const until = clock.now() + pace.farewellSeconds
  const mayBeThere = (name: string): boolean =>
    presence.isHeard(name) || (markers.epoch > 1 && presence.last(name) === undefined)
  for (;;) {
    const notified = notifier.next()
    const staying = live().members.filter(({ name }) => mayBeThere(name) && !floor.left.has(name))
    const left = until - clock.now()
    if (staying.length === 0 || left <= 0 || signal.aborted) return
    await waitAtMost(notified, left, context)
  }
}
