// What every step of a run has at hand: the record, the settings, the ports. One value, made once per coordinator.
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import type { Clock } from '#transport/clock.ts'
import type { OpenAttempt } from './attempt.ts'
import type { Bell } from './bell.ts'
import type { Presence } from './presence.ts'
import type { RunBook } from './record.ts'
import type { FixedSettings, LiveSettings, Pace } from './settings.ts'
import type { Strategy } from './strategies/strategy.ts'

/** What the desk answers from: the attempt that is open now, and whether the run is over. */
export interface Floor {
  attempt: OpenAttempt | null
  /** Set when the run has ended: what the workers are told. */
  finished: string | null
  /** Clients that have been told so. */
  readonly told: Set<string>
}

export interface RunContext {
  readonly book: RunBook
  readonly fixed: FixedSettings
  /** The settings as they are now. */
  readonly live: () => LiveSettings
  readonly strategy: Strategy
  readonly floor: Floor
  readonly presence: Presence
  readonly bell: Bell
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
}

/** Throws Interrupted where the coordinator was asked to stop. */
export function throwIfStopped(context: RunContext): void {
  if (!context.signal.aborted) return
  throw new FedsamError('Interrupted', 'the coordinator was asked to stop', { remedy: 'start the job again: it goes on from its record' })
}

/** Waits for a change, at most `seconds`. `rung` was taken before the facts were looked at. */
export async function waitForChange(context: RunContext, rung: Promise<void>, seconds: number): Promise<void> {
  const waiting = new AbortController()
  const stop = AbortSignal.any([waiting.signal, context.signal])
  await Promise.race([rung, context.clock.sleep(Math.max(seconds, 0), stop)])
  waiting.abort()
}
