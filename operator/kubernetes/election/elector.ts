// Takes part in an election: waits until the lease is free, holds it, says when it is lost, gives it back. `isLeader` is what every
// write asks last: it turns false by the clock alone, so a process that slept through its lease does not write when it wakes.
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { apiVersionOf, pathOf } from '../client/resources.ts'
import {
  held,
  isFree,
  type Lease,
  type LeaseSpec,
  type LeaseTimes,
  released,
  type Sighting,
  sight,
} from './lease.ts'

export interface ElectorOptions {
  readonly namespace: string
  readonly name: string
  /** Of this process alone. */
  readonly identity: string
  readonly times: LeaseTimes
  readonly onError: (error: unknown) => void
  /** Ends the waiting, or the holding; the lease is then given back by `release`. */
  readonly signal: AbortSignal
}

export interface Elector {
  isLeader(): boolean
  /** Resolves true when this process leads, false when the signal came first. */
  acquire(): Promise<boolean>
  /** To be called after acquire: resolves 'Lost' when the lease is lost, 'Stopped' when the signal came first. */
  hold(): Promise<'Lost' | 'Stopped'>
  /** Gives the lease back; to be called when nothing writes any more. */
  release(): Promise<void>
}

/** client-go's: one waits between one and 2.2 times as long, so that candidates do not collide. */
const JITTER = 1.2

export function openElector(client: KubernetesClient, options: ElectorOptions): Elector {
  const { namespace, name, identity, times, onError, signal } = options
  const path = pathOf('Lease', namespace, name)
  let sighting: Sighting | undefined
  let lease: Lease | undefined
  let renewed: { readonly monotonic: number; readonly wall: number } | undefined

  const isLeader = (): boolean => {
    if (!renewed) return false
    // The monotonic clock may stand still while the machine sleeps, the other may be set: the one that says more counts.
    const passed = Math.max(performance.now() - renewed.monotonic, Date.now() - renewed.wall)
    return passed < times.renewSeconds * 1000
  }
  const read = async (limit: AbortSignal): Promise<Lease | undefined> =>
    client.call<Lease>({ method: 'GET', path, signal: limit }).catch((error: unknown) => {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined
      throw error
    })
  const write = async (spec: LeaseSpec, limit: AbortSignal): Promise<Lease> => {
    const metadata = {
      name,
      namespace,
      ...(lease ? { resourceVersion: lease.metadata.resourceVersion } : {}),
    }
    const body = { apiVersion: apiVersionOf('Lease'), kind: 'Lease', metadata, spec }
    if (lease) return client.call<Lease>({ method: 'PUT', path, body, signal: limit })
    return client.call<Lease>({ method: 'POST', path: pathOf('Lease', namespace), body, signal: limit })
  }
  /** One try to take or renew. Its moment is when it began: the record is at least as new. */
  const attempt = async (): Promise<boolean> => {
    const began = { monotonic: performance.now(), wall: Date.now() }
    const limit = AbortSignal.timeout(times.renewSeconds * 500)
    try {
      // A leader that knows its record writes at once; a Conflict says that it does not.
      if (!isLeader() || !lease) lease = await read(limit)
      if (lease) {
        sighting = sight(sighting, lease.spec ?? {}, performance.now())
        if (!isFree(sighting, identity, performance.now())) return false
      }
      lease = await write(held(lease?.spec, identity, times, began.wall), limit)
      sighting = sight(sighting, lease.spec ?? {}, performance.now())
      renewed = began
      return true
    } catch (error) {
      lease = undefined
      if (!signal.aborted) onError(error)
      return false
    }
  }
  // Whoever is asked to stop does not wait for an API server that does not answer.
  const stopped = new Promise<false>((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true })
  })
  const pause = (seconds: number): Promise<unknown> =>
    sleep(seconds * 1000, undefined, { signal }).catch(() => {})
  return {
    isLeader,
    async acquire() {
      while (!signal.aborted) {
        if (await Promise.race([attempt(), stopped])) return !signal.aborted
        await pause(times.retrySeconds * (1 + Math.random() * JITTER))
      }
      return false
    },
    async hold() {
      while (!signal.aborted) {
        await pause(times.retrySeconds)
        if (signal.aborted) break
        // Whoever slept through its lease does not take it again: others may have led in between.
        if (!isLeader()) return 'Lost'
        await Promise.race([attempt(), stopped])
        if (signal.aborted) break
        if (!isLeader() || sighting?.spec.holderIdentity !== identity) return 'Lost'
      }
      return 'Stopped'
    },
    async release() {
      const leads = isLeader()
      renewed = undefined
      if (!leads) return
      const limit = AbortSignal.timeout(1000)
      try {
        lease = await read(limit)
        if (lease?.spec?.holderIdentity === identity) await write(released(lease.spec, Date.now()), limit)
      } catch (error) {
        onError(error)
      }
    },
  }
}
