// A run from its record: claims an epoch, goes on where the record ends, leaves the output, says goodbye. The truth is in the
// store alone; killing this at any point and starting it again leads to the same model.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { MANIFEST_KEY, RUN_KEY } from '#protocol/keys.ts'
import type { Evaluation, PayloadRef, RunRecord } from '#protocol/record.ts'
import type { Clock } from '#runtime/clock.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { probeStore } from '#transport/store/probe.ts'
import { createFoldRoom } from '../aggregation/fold-buffers.ts'
import { createKeptMemory } from '../attempts/update-buffers.ts'
import { cleanDecided, deleteLeftovers } from '../clients/leftover-uploads.ts'
import { openPresence } from '../clients/presence.ts'
import { openDesk } from '../clients/request-handler.ts'
import { claimEpoch, openBook, openRun, readRecord } from '../record/markers.ts'
import { leaveOutput } from '../record/output.ts'
import { newestRounds, type Progress, readProgress } from '../record/progress.ts'
import { bestRound } from '../rounds/stopping.ts'
import { pinBase } from '../start/base.ts'
import { strategyFrom } from '../strategies/presets.ts'
import type { Strategy } from '../strategies/strategy.ts'
import { runRounds } from './all-rounds.ts'
import { assertCurrent, type RunContext, throwIfStopped, type Verify, watchEpoch } from './context.ts'
import { type Bell, createBell, rungWithin } from './notifier.ts'
import type { FixedSettings, LiveSettings, Pace } from './settings.ts'

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
  readonly bell?: Bell
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
  const progress = await readProgress(context.book)
  announce(context, progress)
  const desk = await openDesk(context, options.bus)
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
    await Promise.all([desk.stop(), watching])
  }
}

/** Probes the store, and claims this coordinator's epoch in the run's record. */
async function openContext(options: CoordinateOptions, signal: AbortSignal): Promise<RunContext> {
  const { store, fixed, live, clock, pace, observe, verify, bell = createBell() } = options
  const strategy = chosenStrategy(fixed)
  await probeStore(store)
  const run = await openRun(store, await describeRun(store, fixed))
  const epoch = await claimEpoch(store, randomBytes(8).toString('hex'))
  return {
    book: openBook(store, epoch, run),
    fixed,
    live,
    strategy,
    room: createFoldRoom(fixed.memoryBytes),
    kept: createKeptMemory(),
    floor: {
      attempt: null,
      finished: null,
      left: new Set(),
      superseded: null,
      leftovers: new Map(),
      sentBytes: 0,
    },
    presence: openPresence(clock, pace.silenceSeconds),
    bell,
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

/** run.json as it should be; the base of a run that exists already is the one that it pinned. */
async function describeRun(store: ObjectStore, fixed: FixedSettings): Promise<RunRecord> {
  const there = await readRecord(store, 'run', RUN_KEY)
  const base = there?.value.base ?? (fixed.base === null ? null : await pinBase(store, fixed.base))
  const { name, uid, seed } = fixed
  return { schema: 'fedsam.run/1', name, uid, spec: { ...fixed.spec }, seed, base }
}

function announce({ book, fixed, live, observe }: RunContext, progress: Progress): void {
  const { results, history, evaluated } = progress
  const { rounds, members } = live()
  observe({
    event: 'RunStarted',
    name: fixed.name,
    epoch: book.epoch,
    rounds,
    completed: Math.max(0, results.length - 1),
    roster: members.map(({ name }) => name),
    head: (evaluated ?? results.at(-1))?.digest ?? null,
    best: bestRound(fixed.stopping, history),
    newest: newestRounds(progress),
  })
}

/** A coordinator before this one may have ended before it deleted what clients left in the last attempt. */
async function cleanLast(context: RunContext, { results }: Progress): Promise<void> {
  const last = results.at(-1)?.value
  if (context.book.epoch === 1 || last === undefined) return
  const plan = await context.book.plan(last.round, last.attempt)
  if (plan !== undefined) await cleanDecided(context, plan.value)
}

async function runToOutput(context: RunContext, progress: Progress): Promise<RunOutcome> {
  const { book, observe } = context
  // The manifest is the last marker: where it is, there is nothing left to do.
  const complete = (await book.store.size(MANIFEST_KEY)) !== undefined
  if (!complete) {
    await cleanLast(context, progress)
    await runRounds(context, progress)
    await assertCurrent(context)
    await deleteLeftovers(context)
  }
  throwIfStopped(context)
  const { model, evaluation, round, head } = await leaveOutput(context, progress)
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
  const { book, floor, bell, clock, pace, presence, live, signal } = context
  floor.finished = reason
  bell.ring()
  const until = clock.now() + pace.farewellSeconds
  const mayBeThere = (name: string): boolean =>
    presence.isHeard(name) || (book.epoch > 1 && presence.last(name) === undefined)
  for (;;) {
    const rung = bell.rung()
    const staying = live().members.filter(({ name }) => mayBeThere(name) && !floor.left.has(name))
    const left = until - clock.now()
    if (staying.length === 0 || left <= 0 || signal.aborted) return
    await rungWithin(rung, left, context)
  }
}
