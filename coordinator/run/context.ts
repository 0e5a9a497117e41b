// What every step of a run has at hand: the record, the settings, the ports. One value, made once per coordinator.
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Notifier } from '#runtime/notifier.ts'
import type { FoldBuffers } from '../aggregation/fold-buffers.ts'
import type { OpenAttempt } from '../attempts/attempt.ts'
import type { UpdateBuffers } from '../attempts/update-buffers.ts'
import type { Presence } from '../clients/presence.ts'
import type { RunMarkers } from '../record/markers.ts'
import type { FixedSettings, LiveSettings, Pace } from '../settings/settings.ts'
import type { Strategy } from '../strategies/strategy.ts'

/** What the handler answers from: the attempt that is open now, and whether the run is over. */
export interface Floor {
  attempt: OpenAttempt | null
  /** Set when the run has ended: what the workers are told. */
  finished: string | null
  /** Clients that said goodbye. */
  readonly left: Set<string>
  /** Set when a newer coordinator was found in the store: this one ends with it. */
  superseded: FedsamError | null
  /** Payloads to delete, and until when somebody may still write each, by the coordinator's clock (clients/leftover-uploads.ts). */
  readonly leftovers: Map<string, number>
  /** Bytes of models and checkpoint files that were granted since they were last told. */
  sentBytes: number
}

/** Says whether the token is this client's: undefined, or why not. Throws where that cannot be known now. */
export type Verify = (client: string, token: string) => Promise<string | undefined>

export interface RunContext {
  readonly markers: RunMarkers
  readonly fixed: FixedSettings
  /** The settings as they are now. */
  readonly live: () => LiveSettings
  readonly strategy: Strategy
  readonly foldBuffers: FoldBuffers
  readonly updateBuffers: UpdateBuffers
  readonly floor: Floor
  readonly presence: Presence
  readonly notifier: Notifier
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  /** Absent: whoever may use the bus is believed. */
  readonly verify?: Verify
  readonly signal: AbortSignal
}

/** Throws Interrupted where the coordinator was asked to stop, Superseded where a newer one was found. */
export function throwIfStopped(context: RunContext): void {
  if (context.floor.superseded !== null) throw context.floor.superseded
  if (!context.signal.aborted) return
  throw new FedsamError('Interrupted', 'the coordinator was asked to stop', {
    remedy: 'start the job again: it goes on from its record',
  })
}

/**
 * Looks for a newer coordinator in the store. The one found is noted and ends this one at its next step: two at once are
 * safe by the record, but their clients would be told two stories. Throws Superseded; what the store throws is passed on.
 */
export async function assertCurrent(context: RunContext): Promise<void> {
  try {
    await context.markers.assertCurrent()
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'Superseded') {
      context.floor.superseded = error
      context.notifier.notify()
    }
    throw error
  }
}

/** Asks the store now and then, until the context's signal is aborted. A store out of reach is asked again later. */
export async function watchEpoch(context: RunContext): Promise<void> {
  const { clock, pace, signal, floor } = context
  while (!signal.aborted && floor.superseded === null) {
    await clock.sleep(pace.pollSeconds, signal)
    if (!signal.aborted) await assertCurrent(context).catch(() => {})
  }
}
