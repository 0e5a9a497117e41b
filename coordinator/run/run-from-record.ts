// Runs a job from its record: claims an epoch, resumes where the record ends, writes the output, and lets the workers go. All of
// its state that matters is in the store: a coordinator that is killed at any point and started again reaches the same model.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { MANIFEST_KEY, RUN_KEY } from '#protocol/keys.ts'
import type { Evaluation, PayloadRef, RunRecord } from '#protocol/record.ts'
import { CONVERSATION } from '#protocol/version.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, type Notifier, waitAtMost } from '#runtime/notifier.ts'
import { newSigningKey } from '#runtime/signing-key.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import { createFoldBuffers } from '../aggregation/fold-buffers.ts'
import { createUpdateBuffers } from '../attempts/update-buffers.ts'
import type { Certify } from '../clients/context.ts'
import { createCurrentAttempt, type RunEnd } from '../clients/current-attempt.ts'
import { openLeftoverUploads } from '../clients/leftover-uploads.ts'
import { openPresence } from '../clients/presence.ts'
import { openRequestHandler } from '../clients/request-handler.ts'
import { watchSites } from '../clients/sites.ts'
import { openClientKeys } from '../record/client-keys.ts'
import { claimEpoch, openEpochGuard } from '../record/epochs.ts'
import { openMarkers, openRun, readRecord } from '../record/markers.ts'
import { writeOutput } from '../record/output.ts'
import { newestRounds, type Progress, readProgress } from '../record/progress.ts'
import { bestRound } from '../rounds/stopping.ts'
import { type FixedSettings, keyOf, type LiveSettings, type Pace } from '../settings/settings.ts'
import { describeBase, pinBase } from '../start/base.ts'
import { pinSource } from '../start/resume-from.ts'
import { strategyFrom } from '../strategies/registry.ts'
import type { Strategy } from '../strategies/strategy.ts'
import { runRounds } from './all-rounds.ts'
import type { RunContext } from './context.ts'

export interface CoordinateOptions {
  readonly store: ObjectStore
  readonly bus: MessageBus
  readonly fixed: FixedSettings
  readonly live: () => LiveSettings
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
  /** Certifies the key that signs this coordinator's answers. */
  readonly certify: Certify
  /** The version of the conversation to speak; absent: that of this release. */
  readonly version?: number
  /** Notified from outside when `live` has changed. */
  readonly notifier?: Notifier
}

/** The end of a complete run. A run that failed throws FedsamError RunFailed. */
export interface RunOutcome {
  readonly rounds: number
  readonly model: PayloadRef
  readonly evaluation: Evaluation | null
}

/** Runs the job to its end, from the point that its record has reached. Throws RunFailed, Interrupted, Superseded. */
export async function coordinate(options: CoordinateOptions): Promise<RunOutcome> {
  // Ends everything that still waits when this function ends for any reason.
  const over = new AbortController()
  const context = await openContext(options, AbortSignal.any([options.signal, over.signal]))
  const progress = await readProgress(context.markers)
  announce(context, progress)
  const handler = await openRequestHandler(context, options.bus)
  const watching = context.guard.watch()
  try {
    const outcome = await runToOutput(context, progress)
    await releaseWorkers(context, { reason: 'the run is complete' })
    return outcome
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RunFailed') {
      const { code, message, reason = 'TooManyFailedRounds' } = error
      context.observe({ event: 'RunFailed', code, reason, message })
      // The word alone: the message names other clients.
      await releaseWorkers(context, { reason: `the run failed: ${reason}`, failed: true })
    }
    throw error
  } finally {
    over.abort()
    await Promise.all([handler.stop(), watching])
  }
}

/** Probes the store, and claims this coordinator's epoch in the run's record. */
async function openContext(options: CoordinateOptions, signal: AbortSignal): Promise<RunContext> {
  const { store, fixed, live, clock, pace, observe, certify, notifier = createNotifier() } = options
  const strategy = chosenStrategy(fixed)
  await checkGuarantees(store)
  const run = await openRun(store, await describeRun(store, fixed))
  const epoch = await claimEpoch(store, randomBytes(8).toString('hex'))
  const markers = openMarkers(store, epoch, run)
  const key = newSigningKey()
  const certificate = await certify({ epoch, key: key.publicKey, signal })
  const { pollSeconds, silenceSeconds, grantSeconds } = pace
  const presence = openPresence(clock, silenceSeconds, (client) => keyOf(live(), client))
  return {
    markers,
    identity: { key, certificate },
    version: options.version ?? CONVERSATION,
    clientKeys: openClientKeys(store),
    fixed,
    live,
    strategy,
    foldBuffers: createFoldBuffers(fixed.memoryBytes),
    updateBuffers: createUpdateBuffers(),
    current: createCurrentAttempt(notifier),
    leftovers: openLeftoverUploads({ store, clock, grantSeconds }),
    presence,
    sites: watchSites({ live, presence, clock, observe }),
    guard: openEpochGuard({ markers, clock, pollSeconds, notifier, signal }),
    notifier,
    clock,
    pace,
    observe,
    signal,
  }
}

/** Throws InvalidJob where a round may have too few updates. The schema refuses such a job, but a stored job may be older. */
function chosenStrategy({ strategy: wanted, minFitClients }: FixedSettings): Strategy {
  const strategy = strategyFrom(wanted)
  const { name, minimum } = strategy
  if (minFitClients >= minimum) return strategy
  throw new FedsamError(
    'InvalidJob',
    `spec.strategy.minFitClients is ${minFitClients}, and ${name} needs at least ${minimum} updates`,
    { remedy: `set it to at least ${minimum}` },
  )
}

/** The contents of run.json. A run that exists already keeps the base and the start that it pinned. */
async function describeRun(store: ObjectStore, fixed: FixedSettings): Promise<RunRecord> {
  const { name, uid, seed } = fixed
  const own = { schema: 'fedsam.run/1', name, uid, spec: { ...fixed.spec }, seed } as const
  const stored = (await readRecord(store, 'run', RUN_KEY))?.value
  if (stored !== undefined) {
    const { base, resumedFrom } = stored
    return { ...own, base, ...(resumedFrom === undefined ? {} : { resumedFrom }) }
  }
  const base = fixed.base === null ? null : await describeBase(fixed.base)
  // The record that the run starts from may be refused, so nothing is written before this check.
  const resumedFrom = await pinSource(store, fixed, base)
  if (base !== null) await pinBase(store, fixed.base!.folder, base)
  return { ...own, base, ...(resumedFrom === null ? {} : { resumedFrom }) }
}

function announce(
  { markers, fixed, live, observe }: Pick<RunContext, 'markers' | 'fixed' | 'live' | 'observe'>,
  progress: Progress,
): void {
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

/** An earlier coordinator may have ended before it deleted the leftover uploads of the last attempt. */
async function cleanLast(
  { markers, leftovers }: Pick<RunContext, 'markers' | 'leftovers'>,
  { results }: Progress,
): Promise<void> {
  const last = results.at(-1)?.value
  if (markers.epoch === 1 || last === undefined) return
  const plan = await markers.plan(last.round, last.attempt)
  if (plan !== undefined) await leftovers.cleanDecided(plan.value)
}

async function runToOutput(context: RunContext, progress: Progress): Promise<RunOutcome> {
  const { markers, fixed, observe, guard, leftovers, identity } = context
  // The manifest is the last marker: where it exists, only its contents are left to report.
  const complete = (await markers.store.size(MANIFEST_KEY)) !== undefined
  if (!complete) {
    await cleanLast(context, progress)
    await runRounds(context, progress)
    await guard.assertCurrent()
    await leftovers.deleteNoted()
  }
  guard.throwIfStopped()
  const { model, evaluation, round, head } = await writeOutput(markers, fixed.stopping, progress, identity)
  const rounds = progress.results.at(-1)!.value.round
  const digest = model.sha256
  observe({ event: 'RunCompleted', rounds, output: MANIFEST_KEY, evaluation, round, digest, head })
  return { rounds, model, evaluation }
}

/**
 * Tells the workers that the run has ended, and waits for at most farewellSeconds until every online client has left. After a
 * restart, a client may be online although this coordinator has no request of it yet: it still waits for an earlier coordinator's
 * answer.
 */
async function releaseWorkers(context: RunContext, end: RunEnd): Promise<void> {
  const { markers, current, notifier, clock, pace, presence, live, signal } = context
  current.finish(end)
  const until = clock.now() + pace.farewellSeconds
  const mayBeOnline = (name: string): boolean =>
    presence.isOnline(name) || (markers.epoch > 1 && presence.last(name) === undefined)
  for (;;) {
    const notified = notifier.next()
    const staying = live().members.filter(({ name }) => mayBeOnline(name) && !presence.hasLeft(name))
    const left = until - clock.now()
    if (staying.length === 0 || left <= 0 || signal.aborted) return
    await waitAtMost(notified, left, context)
  }
}
