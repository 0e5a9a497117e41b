// Takes part in the election of the operator's replicas: waits until the lease is free, takes it, renews it, reports
// its loss, and releases it. `isLeader` turns false by the clock alone, so a process that slept through its lease
// does not write when it wakes up. What a lease's record means is decided in lease.ts.
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
  /** Unique to this process. */
  readonly identity: string
  readonly times: LeaseTimes
  readonly onError: (error: unknown) => void
  /** Ends `acquire` and `hold`; then `release` gives the lease back. */
  readonly signal: AbortSignal
}

/** As in client-go: a candidate waits up to 1.2 retry periods longer, so that candidates do not collide. */
const JITTER = 1.2
/** Milliseconds that the release of the lease may take: the process is about to end. */
const RELEASE_MS = 1000

export class Elector {
  readonly #client: KubernetesClient
  readonly #options: ElectorOptions
  readonly #path: string
  readonly #stopped: Promise<false>
  /** The lease as this process last read or wrote it; undefined when a newer one may exist. */
  #lease: Lease | undefined
  #sighting: Sighting | undefined
  /** When the renewal that succeeded last was begun, by both clocks in milliseconds. */
  #renewed: { readonly monotonic: number; readonly wall: number } | undefined

  constructor(client: KubernetesClient, options: ElectorOptions) {
    this.#client = client
    this.#options = options
    this.#path = pathOf('Lease', options.namespace, options.name)
    this.#stopped = new Promise((resolve) => {
      options.signal.addEventListener('abort', () => resolve(false), { once: true })
    })
  }

  /** Whether this process leads. A write must ask at the last moment before it leaves. */
  isLeader(): boolean {
    if (!this.#renewed) return false
    // The monotonic clock may stop while the machine sleeps, and the wall clock may be set back: the larger
    // difference counts.
    const { monotonic, wall } = this.#renewed
    const passed = Math.max(performance.now() - monotonic, Date.now() - wall)
    return passed < this.#options.times.renewSeconds * 1000
  }

  /** Resolves true when this process leads, false when the signal comes first. */
  async acquire(): Promise<boolean> {
    const { signal, times } = this.#options
    while (!signal.aborted) {
      if (await this.#attemptUntilStopped()) return !signal.aborted
      await this.#pause(times.retrySeconds * (1 + Math.random() * JITTER))
    }
    return false
  }

  /** Renews the lease after `acquire`. Resolves 'Lost' when the lease is lost, 'Stopped' when the signal comes first. */
  async hold(): Promise<'Lost' | 'Stopped'> {
    const { signal, times, identity } = this.#options
    while (!signal.aborted) {
      await this.#pause(times.retrySeconds)
      if (signal.aborted) break
      // A process that slept through its lease does not take it again: another one may have led in between.
      if (!this.isLeader()) return 'Lost'
      await this.#attemptUntilStopped()
      if (signal.aborted) break
      if (!this.isLeader() || this.#sighting?.spec.holderIdentity !== identity) return 'Lost'
    }
    return 'Stopped'
  }

  /** Gives the lease back, so that another replica takes it at once. Call it when no write is under way any more. */
  async release(): Promise<void> {
    const { identity, onError } = this.#options
    const leads = this.isLeader()
    this.#renewed = undefined
    if (!leads) return
    const limit = AbortSignal.timeout(RELEASE_MS)
    try {
      this.#lease = await this.#read(limit)
      const spec = this.#lease?.spec
      if (spec?.holderIdentity === identity) await this.#write(released(spec, Date.now()), limit)
    } catch (error) {
      onError(error)
    }
  }

  /** Does not wait for an API server that does not answer, once the process is asked to stop. */
  #attemptUntilStopped(): Promise<boolean> {
    return Promise.race([this.#attempt(), this.#stopped])
  }

  /** Tries once to take or renew the lease. The time of its begin counts: the record is at least as new. */
  async #attempt(): Promise<boolean> {
    const { identity, times, onError, signal } = this.#options
    const began = { monotonic: performance.now(), wall: Date.now() }
    const limit = AbortSignal.timeout(times.renewSeconds * 500)
    try {
      // A leader that knows its record writes at once. If the record has changed, the API server answers with a Conflict.
      if (!this.isLeader() || !this.#lease) this.#lease = await this.#read(limit)
      if (this.#lease) {
        this.#sighting = sight(this.#sighting, this.#lease.spec ?? {}, performance.now())
        if (!isFree(this.#sighting, identity, performance.now())) return false
      }
      this.#lease = await this.#write(held(this.#lease?.spec, identity, times, began.wall), limit)
      this.#sighting = sight(this.#sighting, this.#lease.spec ?? {}, performance.now())
      this.#renewed = began
      return true
    } catch (error) {
      this.#lease = undefined
      if (!signal.aborted) onError(error)
      return false
    }
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const call = { method: 'GET', path: this.#path, signal } as const
    return this.#client.call<Lease>(call).catch((error: unknown) => {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined
      throw error
    })
  }

  async #write(spec: LeaseSpec, signal: AbortSignal): Promise<Lease> {
    const { name, namespace } = this.#options
    const version = this.#lease ? { resourceVersion: this.#lease.metadata.resourceVersion } : {}
    const body = {
      apiVersion: apiVersionOf('Lease'),
      kind: 'Lease',
      metadata: { name, namespace, ...version },
      spec,
    }
    if (this.#lease) return this.#client.call<Lease>({ method: 'PUT', path: this.#path, body, signal })
    return this.#client.call<Lease>({ method: 'POST', path: pathOf('Lease', namespace), body, signal })
  }

  #pause(seconds: number): Promise<unknown> {
    return sleep(seconds * 1000, undefined, { signal: this.#options.signal }).catch(() => {})
  }
}
