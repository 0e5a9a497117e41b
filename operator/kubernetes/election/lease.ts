// Who leads, by a Lease and client-go's rules: pure decisions about the record in it. Whether a record is over is
// judged by when this process saw it change, never by the times in it: clocks of other machines are not believed.
import type { Json, Metadata } from '../../objects/shapes.ts'
import { microTime } from '../../objects/times.ts'

export interface LeaseTimes {
  /** How long a leader may be silent before another may take over. */
  readonly durationSeconds: number
  /** How long a leader tries to renew before it gives up; below the duration. */
  readonly renewSeconds: number
  /** How often it renews, and others look. */
  readonly retrySeconds: number
}

/** client-go's defaults. */
export const LEASE_TIMES: LeaseTimes = { durationSeconds: 15, renewSeconds: 10, retrySeconds: 2 }

export interface LeaseSpec extends Json {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

export interface Lease {
  readonly metadata: Metadata
  readonly spec?: LeaseSpec
}

/** A record and when this process first saw it so, in milliseconds of its own monotonic clock. */
export interface Sighting {
  readonly spec: LeaseSpec
  readonly seenAt: number
}

/** The sighting that a read makes: an unchanged record keeps its moment. */
export function sight(before: Sighting | undefined, spec: LeaseSpec, now: number): Sighting {
  return before && JSON.stringify(before.spec) === JSON.stringify(spec) ? before : { spec, seenAt: now }
}

/** Whether `identity` may write itself into the record. */
export function isFree({ spec, seenAt }: Sighting, identity: string, now: number): boolean {
  const holder = spec.holderIdentity ?? ''
  if (holder === '' || holder === identity) return true
  return seenAt + (spec.leaseDurationSeconds ?? 0) * 1000 < now
}

/** The record with which `identity` holds the lease at a moment (milliseconds since 1970). */
export function held(
  before: LeaseSpec | undefined,
  identity: string,
  { durationSeconds }: LeaseTimes,
  now: number,
): LeaseSpec {
  const same = before?.holderIdentity === identity
  const transitions = before?.leaseTransitions ?? 0
  return {
    holderIdentity: identity,
    leaseDurationSeconds: durationSeconds,
    acquireTime: (same && before?.acquireTime) || microTime(now),
    renewTime: microTime(now),
    leaseTransitions: same || before === undefined ? transitions : transitions + 1,
  }
}

/** The record of a lease that was given back: anybody may take it at once. */
export function released(before: LeaseSpec, now: number): LeaseSpec {
  const time = microTime(now)
  return { ...before, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: time, renewTime: time }
}
