// Runs a job from its record: claims an epoch, resumes where the record ends, writes the output, and lets the workers go. All of
// its state that matters is in the store: a coordinator that is killed at any point and started again reaches the same model.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { RUN_KEY } from '#protocol/keys.ts'
import type { RunRecord } from '#protocol/record.ts'
import { CONVERSATION } from '#protocol/version.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, type Notifier, waitAtMost } from '#runtime/notifier.ts'
import { newSigningKey } from '#runtime/signing-key.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import type { Certify } from '../clients/context.ts'
import { createCurrentAttempt, type RunEnd } from '../clients/current-attempt.ts'
import { openLeftoverUploads } from '../clients/leftover-uploads.ts'
import { openPresence } from '../clients/presence.ts'
import { openRequestHandler } from '../clients/request-handler.ts'
import { watchSites } from '../clients/sites.ts'
import { openClientKeys } from '../record/client-keys.ts'
import { claimEpoch, openEpochGuard } from '../record/epochs.ts'
import { openMarkers, openRun, readRecord } from '../record/markers.ts'
import {
  type FixedSettings,
  keyOf,
  type LiveSettings,
  type Pace,
  type ProgramCommand,
} from '../settings/settings.ts'
import { describeBase, pinBase } from '../start/base.ts'
import { pinSource } from '../start/resume-from.ts'
import type { RunKind, RunOutcome, SharedContext } from './context.ts'
import { programRun } from './program-run.ts'
import { roundsRun } from './rounds-run.ts'

export type { RunOutcome } from './context.ts'

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
  /** The program of a Program run, and what takes its output line by line. Absent where the caller cannot run one. */
  readonly program?: ProgramCommand
  readonly log?: (line: string) => void
}

/** Runs the job to its end, from the point that its record has reached. Throws RunFailed, Interrupted, Superseded. */
export async function coordinate(options: CoordinateOptions): Promise<RunOutcome> {
  // Ends everything that still waits when this function ends for any reason.
  const over = new AbortController()
  const kind = kindOf(options)
  const context = await openContext(options, AbortSignal.any([options.signal, over.signal]))
  const runToOutput = await kind.begin(context)
  const handler = await openRequestHandler(context, options.bus)
  const watching = context.guard.watch()
  try {
    const outcome = await runToOutput()
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

/** The two kinds of run: rounds, or the exchanges of a program. Throws InvalidJob, before anything is written. */
function kindOf({ fixed, program, log }: CoordinateOptions): RunKind {
  return fixed.program === null ? roundsRun(fixed) : programRun(fixed.program, program, log)
}

/** Probes the store, and claims this coordinator's epoch in the run's record. */
async function openContext(options: CoordinateOptions, signal: AbortSignal): Promise<SharedContext> {
  const { store, fixed, live, clock, pace, observe, certify, notifier = createNotifier() } = options
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

/**
 * Tells the workers that the run has ended, and waits for at most farewellSeconds until every online client has left. After a
 * restart, a client may be online although this coordinator has no request of it yet: it still waits for an earlier coordinator's
 * answer.
 */
async function releaseWorkers(context: SharedContext, end: RunEnd): Promise<void> {
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
