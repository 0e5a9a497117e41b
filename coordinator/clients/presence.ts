// Which clients sent a request lately, and the state that each reported. It is a hint in memory: it makes attempts open earlier or
// later, and never decides a result. A coordinator that has just started knows no client.
import type { NextRequest } from '#protocol/messages.ts'
import type { ClientOutcome } from '#protocol/record.ts'
import { versionOf } from '#protocol/version.ts'
import type { Clock } from '#runtime/clock.ts'

/** A client's last request. */
export interface LastRequest {
  readonly incarnation: string
  readonly dataset: string
  readonly backend: string
  readonly have: LastHave
  /** The version of the conversation that the client speaks. */
  readonly version: number
  /** The key that the job named for the client; undefined for a client that is no site. */
  readonly publicKey: string | undefined
  /** Seconds of the coordinator's clock. */
  readonly at: number
}

/** OtherVersion: the coordinator understands no more of the request than who sent it; `message` says why. */
type LastHave = NextRequest['have'] | { readonly state: 'OtherVersion'; readonly message: string }

/** A request of a version that the coordinator does not understand. */
export interface RefusedRequest {
  readonly client: string
  readonly incarnation: string
  readonly version: number
  /** Both versions, and what to do. */
  readonly message: string
}

export interface Presence {
  /**
   * Records a request. Joined: the client was offline or not ready before, or this is a new incarnation. NotReady: the client
   * reports another cause than before.
   */
  record(request: NextRequest): 'Joined' | 'NotReady' | 'Known'
  /**
   * Records a request of another version. Ignored: the client is online, and the job names no key for it, so a stranger may have
   * sent this one.
   */
  refuse(request: RefusedRequest): 'NotReady' | 'Known' | 'Ignored'
  last(client: string): LastRequest | undefined
  /** The client sent a request within the silence limit, of any version. */
  isHeard(client: string): boolean
  /** The client sent a request within the silence limit, and this coordinator understands it. */
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

/** What keeps a client that is heard from taking part. */
type NotReady = Extract<LastHave, { state: 'Preparing' | 'Declined' | 'OtherVersion' }>

function isSame(before: LastHave | undefined, { state, message }: NotReady): boolean {
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
  const isHeard = (client: string): boolean => {
    const last = lastOf(client)
    return last !== undefined && clock.now() - last.at <= silenceSeconds
  }
  const isOnline = (client: string): boolean =>
    isHeard(client) && lastOf(client)?.have.state !== 'OtherVersion'
  const notReady = (client: string): NotReady | undefined => {
    const have = lastOf(client)?.have
    const isOne = have !== undefined && 'message' in have && have.state !== 'Failed'
    return isOne ? have : undefined
  }
  const isReady = (client: string): boolean => isOnline(client) && notReady(client) === undefined
  return {
    record(request) {
      const { client, incarnation, dataset, backend, have } = request
      const before = { ready: isReady(client), last: lastOf(client) }
      const version = versionOf(request)
      const publicKey = keyOf(client)
      requests.set(client, { incarnation, dataset, backend, have, version, publicKey, at: clock.now() })
      if (have.state === 'Leaving') left.add(client)
      if (have.state === 'Preparing' || have.state === 'Declined')
        return isSame(before.last?.have, have) ? 'Known' : 'NotReady'
      return before.ready && before.last?.incarnation === incarnation ? 'Known' : 'Joined'
    },
    refuse({ client, incarnation, version, message }) {
      const publicKey = keyOf(client)
      if (publicKey === undefined && isOnline(client)) return 'Ignored'
      const before = isHeard(client) ? lastOf(client)?.have : undefined
      const have = { state: 'OtherVersion', message } as const
      const about = { incarnation, dataset: '', backend: '' }
      requests.set(client, { ...about, have, version, publicKey, at: clock.now() })
      return isSame(before, have) ? 'Known' : 'NotReady'
    },
    last: lastOf,
    isHeard,
    isOnline,
    isReady,
    hasLeft: (client) => left.has(client),
    absence(client) {
      const cause = isHeard(client) ? notReady(client) : undefined
      if (cause === undefined) return { client, outcome: 'Unreachable', reason: 'NotHeard', message: '' }
      const { state: reason, message } = cause
      return { client, outcome: reason === 'Preparing' ? 'Unreachable' : 'Refused', reason, message }
    },
    isLost(client, since) {
      const at = Math.max(since, lastOf(client)?.at ?? since)
      return clock.now() - at > silenceSeconds
    },
  }
}
