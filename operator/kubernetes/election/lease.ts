// Decisions about the record in a Lease, by client-go's rules: who leads, and who may take over. A record expires some time after
// this process saw it change. The times in the record do not count, because clocks of other machines may be wrong. Pure.
import type { Json, Metadata } from '../../objects/shapes.ts'
import { microTime } from '../../objects/times.ts'

export interface LeaseTimes {
  /** How long a leader may be silent before another may take over. */
  readonly durationSeconds: number
  /** How long a leader tries to renew before it gives up; below the duration. */
  readonly renewSeconds: number
  /** The period after which a leader renews, and the others read the lease. */
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

/** A record, and when this process first saw it in this state, in milliseconds of its own monotonic clock. */
export interface Sighting {
  readonly spec: LeaseSpec
  readonly seenAt: number
}

/** The sighting after a read. An unchanged record keeps its time. */
export function sight(before: Sighting | undefined, spec: LeaseSpec, now: number): Sighting {
  return before && JSON.stringify(before.spec) === JSON.stringify(spec) ? before : { spec, seenAt: now }
}

/** Whether `identity` may take the lease. */
export function isFree({ spec, seenAt }: Sighting, identity: string, now: number): boolean {
  const holder = spec.holderIdentity ?? ''
  if (holder === '' || holder === identity) return true
  return seenAt + (spec.leaseDurationSeconds ?? 0) * 1000 < now
}

/** The record by which `identity` holds the lease from `now`, in milliseconds since 1970. */
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

/** The record of a released lease: any candidate may take it at once. */
export function released(before: LeaseSpec, now: number): LeaseSpec {
  const time = microTime(now)
  return { ...before, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: time, renewTime: time }
}
