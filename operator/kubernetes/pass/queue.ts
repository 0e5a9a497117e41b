// Keys to work on: each once, never two workers on one key, a failed one again after a growing pause; what people wait for before
// what a list brought up. Level-driven: a key says only "look again". Promises nothing about order between keys.
import { pauseAfter } from '#runtime/backoff.ts'

/** Seconds between two passes over a key that fail, as in client-go. */
const BACKOFF = { first: 0.005, longest: 1000 }
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** How a look at a key ended. */
export type Outcome = 'success' | 'error' | 'requeue_after'

export interface QueueOptions {
  /** How many keys at a time. */
  readonly workers: number
  /** After so long a look is told to stop, and has failed. */
  readonly deadlineMs: number
  readonly onError: (key: string, error: unknown, failures: number) => void
  readonly meter?: QueueMeter
  /** In [0, 1). */
  readonly random?: () => number
}

/** Who counts. */
export interface QueueMeter {
  added(): void
  started(waitedSeconds: number): void
  ended(outcome: Outcome, seconds: number): void
}

export interface WorkQueue {
  /** Look at the key; one that is being worked on is looked at again afterwards. `low`: after all that are not. */
  add(key: string, low?: boolean): void
  /** Look at it after so long, or earlier where that is wanted already. */
  addAfter(key: string, milliseconds: number): void
  /** Begins to work; until then keys are only kept. */
  start(): void
  /** Takes no more keys; resolves when those being worked on are done, told to stop after `graceMs`. */
  stop(graceMs: number): Promise<void>
  depth(): number
  /** How many milliseconds each look that goes on has taken. */
  running(): number[]
}

/** Runs `work`, which returns after how many milliseconds it wants to look again, if at all. What it throws is tried again. */
export function openQueue(
  work: (key: string, signal: AbortSignal) => Promise<number | undefined>,
  { workers, deadlineMs, onError, meter, random = Math.random }: QueueOptions,
): WorkQueue {
  const waiting = { high: new Map<string, number>(), low: new Map<string, number>() } // since when
  const active = new Map<string, { readonly since: number; readonly abort: AbortController }>()
  const failures = new Map<string, number>()
  const later = new Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>()
  let [running, stopped] = [false, false]
  let idle: (() => void) | undefined

  const pump = (): void => {
    for (const keys of [waiting.high, waiting.low]) {
      for (const [key, since] of keys) {
        if (!running || stopped || active.size >= workers) return
        if (active.has(key)) continue
        keys.delete(key)
        meter?.started((performance.now() - since) / 1000)
        void run(key)
      }
    }
  }
  const run = async (key: string): Promise<void> => {
    const [since, abort] = [performance.now(), new AbortController()]
    active.set(key, { since, abort })
    const late = setTimeout(
      () => abort.abort(new Error(`took longer than ${deadlineMs / 1000} s`)),
      deadlineMs,
    )
    const outcome = await look(key, abort.signal)
    clearTimeout(late)
    active.delete(key)
    meter?.ended(outcome, (performance.now() - since) / 1000)
    if (active.size === 0) idle?.()
    pump()
  }
  const look = async (key: string, signal: AbortSignal): Promise<Outcome> => {
    try {
      const again = await work(key, signal)
      failures.delete(key)
      if (again === undefined) return 'success'
      queue.addAfter(key, again)
      return 'requeue_after'
    } catch (error) {
      const failed = (failures.get(key) ?? 0) + 1
      failures.set(key, failed)
      onError(key, error, failed)
      queue.addAfter(key, 1000 * pauseAfter(failed, BACKOFF, random()))
      return 'error'
    }
  }
  const queue: WorkQueue = {
    add(key, low = false) {
      if (stopped || waiting.high.has(key)) return
      const since = waiting.low.get(key)
      if (low && since !== undefined) return
      if (since === undefined) meter?.added()
      waiting.low.delete(key)
      waiting[low ? 'low' : 'high'].set(key, since ?? performance.now())
      pump()
    },
    addAfter(key, milliseconds) {
      if (stopped) return
      const at = performance.now() + milliseconds
      const known = later.get(key)
      if (known && known.at <= at) return
      clearTimeout(known?.timer)
      const due = (): void => {
        later.delete(key)
        queue.add(key)
      }
      later.set(key, { at, timer: setTimeout(due, Math.min(milliseconds, LONGEST_TIMER_MS)) })
    },
    start() {
      running = true
      pump()
    },
    async stop(graceMs) {
      stopped = true
      for (const { timer } of later.values()) clearTimeout(timer)
      if (active.size === 0) return
      const done = new Promise<void>((resolve) => {
        idle = resolve
      })
      const late = setTimeout(() => {
        for (const { abort } of active.values()) abort.abort(new Error('the operator stops'))
      }, graceMs)
      await done
      clearTimeout(late)
    },
    depth: () => waiting.high.size + waiting.low.size,
    running: () => [...active.values()].map(({ since }) => performance.now() - since),
  }
  return queue
}
