// The queue of FederatedJobs that are due for a pass. It guarantees: a key waits at most once, no two workers work on
// one key, a failed key is retried after a growing pause, and urgent keys start before relaxed ones. A key says only
// "reconcile this job"; the pass itself finds out what changed. The queue promises no order between urgent keys.
//
//            add                 a worker is free                 the pass ends
//   event ─────────► waiting ────────────────────► active ─────────────────────────► (gone)
//                      ▲  ▲   never while it is      │
//                      │  │   active already         │ the pass failed, or asks for another pass
//                      │  └── added while active     ▼
//                      └───────────────────────── later (a timer)
import { pauseAfter } from '#runtime/backoff.ts'

/** Seconds between two failed passes over a key, as in client-go. */
const BACKOFF = { first: 0.005, longest: 1000 }
/**
 * The longest delay that setTimeout takes, in milliseconds. A key that is due later is only reconciled earlier, which
 * is harmless.
 */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** How a pass ended, in the words of controller-runtime's metrics. */
export type Outcome = 'success' | 'error' | 'requeue_after'

/**
 * One pass over a key. Returns after how many milliseconds the next pass is due without an event; undefined: not
 * before an event.
 */
export type Work = (key: string, signal: AbortSignal) => Promise<number | undefined>

export interface QueueOptions {
  /** How many keys are worked on at a time. */
  readonly workers: number
  /** A pass that takes longer is aborted, and has failed. */
  readonly deadlineMs: number
  /** `failures` counts the failed passes in a row. */
  readonly onError: (key: string, error: unknown, failures: number) => void
  readonly meter?: QueueMeter
  /** A random number in [0, 1). */
  readonly random?: () => number
}

/** Counts what the queue does. */
export interface QueueMeter {
  added(): void
  started(waitedSeconds: number): void
  ended(outcome: Outcome, seconds: number): void
}

export class WorkQueue {
  readonly #work: Work
  readonly #options: QueueOptions
  /** Keys that wait, and since when. An event added an urgent key; a list or a resync added a relaxed one. */
  readonly #urgent = new Map<string, number>()
  readonly #relaxed = new Map<string, number>()
  readonly #active = new Map<string, { readonly since: number; readonly abort: AbortController }>()
  readonly #later = new Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>()
  /** Failed passes in a row. */
  readonly #failures = new Map<string, number>()
  #state: 'New' | 'Started' | 'Stopped' = 'New'
  #onIdle: (() => void) | undefined

  constructor(work: Work, options: QueueOptions) {
    this.#work = work
    this.#options = options
  }

  /** Adds a key for a pass. If the key is being worked on, another pass follows. */
  add(key: string, relaxed = false): void {
    if (this.#state === 'Stopped' || this.#urgent.has(key)) return
    const since = this.#relaxed.get(key)
    if (relaxed && since !== undefined) return
    if (since === undefined) this.#options.meter?.added()
    this.#relaxed.delete(key)
    const waiting = relaxed ? this.#relaxed : this.#urgent
    waiting.set(key, since ?? performance.now())
    this.#startWaiting()
  }

  /** Adds the key after this time, or earlier where that was asked for before. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#state === 'Stopped') return
    const at = performance.now() + milliseconds
    const known = this.#later.get(key)
    if (known && known.at <= at) return
    clearTimeout(known?.timer)
    const due = (): void => {
      this.#later.delete(key)
      this.add(key)
    }
    this.#later.set(key, { at, timer: setTimeout(due, Math.min(milliseconds, LONGEST_TIMER_MS)) })
  }

  /** Starts to work. Before that the queue only collects keys. */
  start(): void {
    if (this.#state === 'New') this.#state = 'Started'
    this.#startWaiting()
  }

  /** Accepts no more keys. Resolves when the active passes have ended; it aborts them after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#state = 'Stopped'
    for (const { timer } of this.#later.values()) clearTimeout(timer)
    if (this.#active.size === 0) return
    const idle = Promise.withResolvers<void>()
    this.#onIdle = idle.resolve
    const grace = setTimeout(() => {
      for (const { abort } of this.#active.values()) abort.abort(new Error('the operator stops'))
    }, graceMs)
    await idle.promise
    clearTimeout(grace)
  }

  /** How many keys wait. */
  depth(): number {
    return this.#urgent.size + this.#relaxed.size
  }

  /** How many milliseconds each active pass has taken. */
  running(): number[] {
    return [...this.#active.values()].map(({ since }) => performance.now() - since)
  }

  #startWaiting(): void {
    for (const keys of [this.#urgent, this.#relaxed]) {
      for (const [key, since] of keys) {
        if (this.#state !== 'Started' || this.#active.size >= this.#options.workers) return
        if (this.#active.has(key)) continue
        keys.delete(key)
        this.#options.meter?.started((performance.now() - since) / 1000)
        void this.#run(key)
      }
    }
  }

  async #run(key: string): Promise<void> {
    const { deadlineMs, meter } = this.#options
    const [since, abort] = [performance.now(), new AbortController()]
    this.#active.set(key, { since, abort })
    const deadline = setTimeout(
      () => abort.abort(new Error(`the pass took longer than ${deadlineMs / 1000} s`)),
      deadlineMs,
    )
    const outcome = await this.#pass(key, abort.signal)
    clearTimeout(deadline)
    this.#active.delete(key)
    meter?.ended(outcome, (performance.now() - since) / 1000)
    if (this.#active.size === 0) this.#onIdle?.()
    this.#startWaiting()
  }

  async #pass(key: string, signal: AbortSignal): Promise<Outcome> {
    const { onError, random = Math.random } = this.#options
    try {
      const next = await this.#work(key, signal)
      this.#failures.delete(key)
      if (next === undefined) return 'success'
      this.addAfter(key, next)
      return 'requeue_after'
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1
      this.#failures.set(key, failures)
      onError(key, error, failures)
      this.addAfter(key, 1000 * pauseAfter(failures, BACKOFF, random()))
      return 'error'
    }
  }
}
