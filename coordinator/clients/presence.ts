// Who was heard, when, and what they said they do. A hint in memory: it opens attempts early or late, it decides no result.
import type { NextRequest } from '#protocol/messages.ts'
import type { ClientOutcome } from '#protocol/record.ts'
import type { Clock } from '#runtime/clock.ts'

/** The last word of one client. */
export interface Heard {
  readonly incarnation: string
  readonly dataset: string
  readonly backend: string
  readonly have: NextRequest['have']
  readonly at: number
}

export interface Presence {
  /** Takes note. Joined: it was away before, or is a new incarnation. Preparing: what it waits for is new. */
  hear(request: NextRequest): 'Joined' | 'Preparing' | 'Known'
  last(client: string): Heard | undefined
  /** Heard within the silence limit. */
  isHeard(client: string): boolean
  /** Heard, and ready for work. */
  isPresent(client: string): boolean
  /** Why a client that is not present is not. */
  absence(client: string): ClientOutcome
  /** Unheard for the silence limit since that moment: a coordinator that has just begun knows nobody, and nobody is lost. */
  isLost(client: string, since: number): boolean
}

export function openPresence(clock: Clock, silenceSeconds: number): Presence {
  const heard = new Map<string, Heard>()
  const isHeard = (client: string): boolean => {
    const last = heard.get(client)
    return last !== undefined && clock.now() - last.at <= silenceSeconds
  }
  const preparing = (client: string): string | undefined => {
    const have = heard.get(client)?.have
    return have?.state === 'Preparing' ? have.message : undefined
  }
  const isPresent = (client: string): boolean => isHeard(client) && preparing(client) === undefined
  return {
    hear(request) {
      const { client, incarnation, dataset, backend, have } = request
      const before = { present: isPresent(client), said: preparing(client), last: heard.get(client) }
      heard.set(client, { incarnation, dataset, backend, have, at: clock.now() })
      if (have.state === 'Preparing') {
        return have.message === before.said ? 'Known' : 'Preparing'
      }
      return before.present && before.last?.incarnation === incarnation ? 'Known' : 'Joined'
    },
    last: (client) => heard.get(client),
    isHeard,
    isPresent,
    absence(client) {
      const message = isHeard(client) ? preparing(client) : undefined
      const why =
        message === undefined ? { reason: 'NotHeard', message: '' } : { reason: 'Preparing', message }
      return { client, outcome: 'Unreachable', ...why }
    },
    isLost(client, since) {
      const at = Math.max(since, heard.get(client)?.at ?? since)
      return clock.now() - at > silenceSeconds
    },
  }
}
