// Whether the operator still works, for its liveness probe: its event loop keeps up, and no pass hangs.
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface Health {
  /** What is wrong since the last call; undefined while the operator works. */
  problem(): string | undefined
  close(): void
}

/** Milliseconds by which the event loop may be late on average since the last probe. */
const LATE_MS = 1000
/** Milliseconds that a pass may take: twice its deadline. */
const STUCK_MS = 120_000

/** `running`: milliseconds that each pass under way has taken. */
export function watchHealth(running: () => readonly number[]): Health {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  return {
    problem() {
      const lateMs = delay.mean / 1e6
      delay.reset()
      if (lateMs > LATE_MS) return `the event loop is ${Math.round(lateMs)} ms late on average`
      if (running().some((taken) => taken > STUCK_MS)) return `a pass takes longer than ${STUCK_MS / 1000} s`
      return undefined
    },
    close: () => delay.disable(),
  }
}
