// Keys to work on: each once, never two workers on one key, a failed one again after a growing pause. Level-driven: a key says
// only "look again". Promises nothing about order between keys.

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 60_000

export interface WorkQueue {
  /** Look at the key, now or after so many seconds; one that is being worked on is looked at again afterwards. */
  add(key: string, afterSeconds?: number): void
  /** Takes no more keys and resolves when those being worked on are done. */
  stop(): Promise<void>
}

/** Runs `work` over the keys, `workers` at a time. What it throws is given to `onError` and tried again. */
export function startQueue(
  work: (key: string) => Promise<void>,
  options: { readonly workers: number; readonly onError: (key: string, error: unknown) => void },
): WorkQueue {
  const waiting = new Set<string>()
  const active = new Map<string, Promise<void>>()
  const failures = new Map<string, number>()
  const timers = new Map<string, NodeJS.Timeout>()
  let stopped = false

  const pump = (): void => {
    for (const key of waiting) {
      if (stopped || active.size >= options.workers) return
      if (active.has(key)) continue
      waiting.delete(key)
      active.set(key, run(key))
    }
  }
  const run = async (key: string): Promise<void> => {
    await Promise.resolve() // the map knows of it before it can end
    try {
      await work(key)
      failures.delete(key)
    } catch (error) {
      options.onError(key, error)
      const failed = (failures.get(key) ?? 0) + 1
      failures.set(key, failed)
      later(key, Math.min(FIRST_PAUSE_MS * 2 ** (failed - 1), LONGEST_PAUSE_MS))
    } finally {
      active.delete(key)
      pump()
    }
  }
  const later = (key: string, milliseconds: number): void => {
    clearTimeout(timers.get(key))
    if (stopped) return
    const add = (): void => {
      timers.delete(key)
      waiting.add(key)
      pump()
    }
    timers.set(key, setTimeout(add, Math.min(milliseconds, 2 ** 31 - 1)))
  }
  return {
    add(key, afterSeconds) {
      if (stopped) return
      if (afterSeconds !== undefined) return later(key, afterSeconds * 1000)
      waiting.add(key)
      pump()
    },
    async stop() {
      stopped = true
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.all(active.values())
    },
  }
}
