// Which clients sent a request lately, and the state that each reported. It is a hint in memory: it makes attempts open earlier or
// later, and never decides a result. A coordinator that has just started knows no client.
import type { NextRequest } from '#protocol/messages.ts'
import type { ClientOutcome } from '#protocol/record.ts'
import type { Clock } from '#runtime/clock.ts'

/** A client's last request. */
export interface LastRequest {
  readonly incarnation: string
  readonly dataset: string
  readonly backend: string
  readonly have: NextRequest['have']
  /** Seconds of the coordinator's clock. */
  readonly at: number
}

export interface Presence {
  /**
   * Records a request. Joined: the client was offline or preparing before, or this is a new incarnation. Preparing: the client
   * reports another cause for waiting than before.
   */
  record(request: NextRequest): 'Joined' | 'Preparing' | 'Known'
  last(client: string): LastRequest | undefined
  /** The client sent a request within the silence limit. */
  isOnline(client: string): boolean
  /** The client is online and has finished preparing. */
  isReady(client: string): boolean
  /** The client said that it leaves. */
  hasLeft(client: string): boolean
  /** Why a client that is not ready cannot take part. */
  absence(client: string): ClientOutcome
  /** The client sent nothing for the silence limit, counted from `since` at the earliest: a restart loses no client. */
  isLost(client: string, since: number): boolean
}

export function openPresence(clock: Clock, silenceSeconds: number): Presence {
  const requests = new Map<string, LastRequest>()
  const left = new Set<string>()
  const isOnline = (client: string): boolean => {
    const last = requests.get(client)
    return last !== undefined && clock.now() - last.at <= silenceSeconds
  }
  const preparing = (client: string): string | undefined => {
    const have = requests.get(client)?.have
    return have?.state === 'Preparing' ? have.message : undefined
  }
  const isReady = (client: string): boolean => isOnline(client) && preparing(client) === undefined
  return {
    record(request) {
      const { client, incarnation, dataset, backend, have } = request
      const before = { ready: isReady(client), cause: preparing(client), last: requests.get(client) }
      requests.set(client, { incarnation, dataset, backend, have, at: clock.now() })
      if (have.state === 'Leaving') left.add(client)
      if (have.state === 'Preparing') return have.message === before.cause ? 'Known' : 'Preparing'
      return before.ready && before.last?.incarnation === incarnation ? 'Known' : 'Joined'
    },
    last: (client) => requests.get(client),
    isOnline,
    isReady,
    hasLeft: (client) => left.has(client),
    absence(client) {
      const message = isOnline(client) ? preparing(client) : undefined
      const why =
        message === undefined ? { reason: 'NotHeard', message: '' } : { reason: 'Preparing', message }
      return { client, outcome: 'Unreachable', ...why }
    },
    isLost(client, since) {
      const at = Math.max(since, requests.get(client)?.at ?? since)
      return clock.now() - at > silenceSeconds
    },
  }
}
