// What running attempts needs. run/context.ts builds one value that has all of it; each function names the fields that it uses.
import type { Observer } from '#protocol/events.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Notifier } from '#runtime/notifier.ts'
import type { FoldBuffers } from '../aggregation/fold-buffers.ts'
import type { CurrentAttempt } from '../clients/current-attempt.ts'
import type { LeftoverUploads } from '../clients/leftover-uploads.ts'
import type { Presence } from '../clients/presence.ts'
import type { SiteWatch } from '../clients/sites.ts'
import type { ClientKeys } from '../record/client-keys.ts'
import type { EpochGuard } from '../record/epochs.ts'
import type { RunMarkers } from '../record/markers.ts'
import type { FixedSettings, LiveSettings, Pace } from '../settings/settings.ts'
import type { Strategy } from '../strategies/strategy.ts'
import type { UpdateBuffers } from './update-buffers.ts'

export interface AttemptsContext {
  readonly markers: RunMarkers
  readonly clientKeys: ClientKeys
  readonly fixed: FixedSettings
  /** The settings as they are now. */
  readonly live: () => LiveSettings
  readonly strategy: Strategy
  readonly updateBuffers: UpdateBuffers
  readonly foldBuffers: FoldBuffers
  readonly current: CurrentAttempt
  readonly leftovers: LeftoverUploads
  readonly presence: Presence
  readonly sites: SiteWatch
  readonly guard: EpochGuard
  readonly notifier: Notifier
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
}
