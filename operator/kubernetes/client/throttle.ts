// How fast the operator asks: a token bucket for calls, and the pause that an overloaded server asks for (429, 503 with
// Retry-After), jittered. Watches are not throttled: a reflector pauses by itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'

export interface Rate {
  /** Calls a second in the long run. */
  readonly perSecond: number
  /** Calls at once after a silence. */
  readonly burst: number
}

/** As often as client-go tries. */
const TRIES = 10
const LONGEST_PAUSE_SECONDS = 60

/** The same client, held to a rate. */
export function throttled(
  client: KubernetesClient,
  rate: Rate,
  random: () => number = Math.random,
): KubernetesClient {
  const wait = openBucket(rate)
  const call = async <T>(asked: Call): Promise<T> => {
    for (let tries = 1; ; tries++) {
      await pause(wait(performance.now()), asked.signal)
      try {
        return await client.call<T>(asked)
      } catch (error) {
        const seconds = retryAfter(error)
        if (seconds === undefined || tries === TRIES) throw error
        await pause(1000 * seconds * (1 + random() / 2), asked.signal)
      }
    }
  }
  return { ...client, call }
}

/** Takes a token at a moment in milliseconds; returns how long to wait for it. Tokens may be owed, so order is kept. */
export function openBucket({ perSecond, burst }: Rate): (now: number) => number {
  let [tokens, at] = [burst, 0]
  return (now) => {
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond) - 1
    at = now
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000
  }
}

/** Both answers say that the request was not looked at; 503 only where it says when to come again. */
function retryAfter(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined
  const { status, retryAfterSeconds } = error
  if (status !== 429 && (status !== 503 || retryAfterSeconds === undefined)) return undefined
  return Math.min(retryAfterSeconds ?? 1, LONGEST_PAUSE_SECONDS)
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, signal ? { signal } : {})
}
