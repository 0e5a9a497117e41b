// What answering clients needs. run/context.ts builds one value that has all of it; each function names the fields that it uses.
import type { Observer } from '#protocol/events.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Notifier } from '#runtime/notifier.ts'
import type { EpochGuard } from '../record/epochs.ts'
import type { RunMarkers } from '../record/markers.ts'
import type { FixedSettings, LiveSettings, Pace } from '../settings/settings.ts'
import type { CurrentAttempt } from './current-attempt.ts'
import type { Presence } from './presence.ts'

export interface ClientsContext {
  readonly markers: RunMarkers
  readonly fixed: Pick<FixedSettings, 'namespace' | 'uid'>
  /** The settings as they are now. */
  readonly live: () => LiveSettings
  readonly current: CurrentAttempt
  readonly presence: Presence
  readonly guard: EpochGuard
  readonly notifier: Notifier
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
}
