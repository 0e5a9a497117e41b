// Limits the operator's calls: a token bucket, and the pause that an overloaded API server asks for (429, 503 with
// Retry-After), with jitter. Does not limit watches, which have pauses of their own.
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'

export interface Rate {
  /** Calls a second, on average. */
  readonly perSecond: number
  /** Calls at once after a time without calls. */
  readonly burst: number
}

/** Tries of one call, as in client-go. */
const TRIES = 10
/** The longest pause that a server may ask for, in seconds: as long as a pass may take. */
const LONGEST_PAUSE_SECONDS = 60

/** The same client, which keeps to the rate. */
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

/**
 * Takes a token at a moment in milliseconds, and returns the milliseconds to wait for it. A token may be taken before it exists, so
 * calls proceed in their order.
 */
export function openBucket({ perSecond, burst }: Rate): (now: number) => number {
  let [tokens, at] = [burst, 0]
  return (now) => {
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond) - 1
    at = now
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000
  }
}

/** With both answers the server has not processed the request. A 503 counts only with a Retry-After. */
function retryAfter(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined
  const { status, retryAfterSeconds } = error
  if (status !== 429 && (status !== 503 || retryAfterSeconds === undefined)) return undefined
  return Math.min(retryAfterSeconds ?? 1, LONGEST_PAUSE_SECONDS)
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, signal ? { signal } : {})
}
