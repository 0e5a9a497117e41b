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
  /** The key that the job named for the client; undefined for a client that is no site. */
  readonly publicKey: string | undefined
  /** Seconds of the coordinator's clock. */
  readonly at: number
}

export interface Presence {
  /**
   * Records a request. Joined: the client was offline or not ready before, or this is a new incarnation. NotReady: the client
   * reports another cause than before.
   */
  record(request: NextRequest): 'Joined' | 'NotReady' | 'Known'
  last(client: string): LastRequest | undefined
  /** The client sent a request within the silence limit. */
  isOnline(client: string): boolean
  /** The client is online, has finished preparing, and has not declined. */
  isReady(client: string): boolean
  /** The client said that it leaves. */
  hasLeft(client: string): boolean
  /** Why a client that is not ready cannot take part. */
  absence(client: string): ClientOutcome
  /** The client sent nothing for the silence limit, counted from `since` at the earliest: a restart loses no client. */
  isLost(client: string, since: number): boolean
}

/** What keeps an online client from taking part. */
type NotReady = Extract<NextRequest['have'], { state: 'Preparing' | 'Declined' }>

function isSame(before: NextRequest['have'] | undefined, { state, message }: NotReady): boolean {
  return before?.state === state && before.message === message
}

/** `keyOf`: the key that the job names for a client now. A request from before it changed does not count. */
export function openPresence(
  clock: Clock,
  silenceSeconds: number,
  keyOf: (client: string) => string | undefined = () => undefined,
): Presence {
  const requests = new Map<string, LastRequest>()
  const left = new Set<string>()
  const lastOf = (client: string): LastRequest | undefined => {
    const last = requests.get(client)
    return last?.publicKey === keyOf(client) ? last : undefined
  }
  const isOnline = (client: string): boolean => {
    const last = lastOf(client)
    return last !== undefined && clock.now() - last.at <= silenceSeconds
  }
  const notReady = (client: string): NotReady | undefined => {
    const have = lastOf(client)?.have
    return have?.state === 'Preparing' || have?.state === 'Declined' ? have : undefined
  }
  const isReady = (client: string): boolean => isOnline(client) && notReady(client) === undefined
  return {
    record(request) {
      const { client, incarnation, dataset, backend, have } = request
      const before = { ready: isReady(client), last: lastOf(client) }
      requests.set(client, { incarnation, dataset, backend, have, publicKey: keyOf(client), at: clock.now() })
      if (have.state === 'Leaving') left.add(client)
      if (have.state === 'Preparing' || have.state === 'Declined')
        return isSame(before.last?.have, have) ? 'Known' : 'NotReady'
      return before.ready && before.last?.incarnation === incarnation ? 'Known' : 'Joined'
    },
    last: lastOf,
    isOnline,
    isReady,
    hasLeft: (client) => left.has(client),
    absence(client) {
      const cause = isOnline(client) ? notReady(client) : undefined
      if (cause === undefined) return { client, outcome: 'Unreachable', reason: 'NotHeard', message: '' }
      const { state: reason, message } = cause
      return { client, outcome: reason === 'Declined' ? 'Refused' : 'Unreachable', reason, message }
    },
    isLost(client, since) {
      const at = Math.max(since, lastOf(client)?.at ?? since)
      return clock.now() - at > silenceSeconds
    },
  }
}
