// What answering clients needs. run/context.ts builds one value that has all of it; each function names the fields that it uses.
import type { CoordinatorCertificate } from '#protocol/certificate.ts'
import type { Observer } from '#protocol/events.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Notifier } from '#runtime/notifier.ts'
import type { ClientKeys } from '../record/client-keys.ts'
import type { EpochGuard } from '../record/epochs.ts'
import type { RunMarkers } from '../record/markers.ts'
import type { FixedSettings, LiveSettings, Pace } from '../settings/settings.ts'
import type { CurrentAttempt } from './current-attempt.ts'
import type { LeftoverUploads } from './leftover-uploads.ts'
import type { Presence } from './presence.ts'

/** Certifies the key of the coordinator with this epoch. Rejects where the signal ends the wait for the certifier. */
export type Certify = (claim: {
  readonly epoch: number
  readonly key: string
  readonly signal: AbortSignal
}) => Promise<CoordinatorCertificate>

/** What signs a coordinator's answers: a key of this process, and its certificate. */
export interface CoordinatorIdentity {
  readonly key: SigningKey
  readonly certificate: CoordinatorCertificate
}

export interface ClientsContext {
  readonly markers: RunMarkers
  readonly identity: CoordinatorIdentity
  /** The version of the conversation that this coordinator speaks. */
  readonly version: number
  readonly clientKeys: ClientKeys
  readonly fixed: Pick<FixedSettings, 'namespace' | 'uid'>
  /** The settings as they are now. */
  readonly live: () => LiveSettings
  readonly current: CurrentAttempt
  readonly leftovers: LeftoverUploads
  readonly presence: Presence
  readonly guard: EpochGuard
  readonly notifier: Notifier
  readonly clock: Clock
  readonly pace: Pace
  readonly observe: Observer
  readonly signal: AbortSignal
}
