// Who was heard, when, and what they said they do. A hint in memory: it opens attempts early or late, it decides no result.
import type { NextRequest } from '#protocol/messages.ts'
import type { Clock } from '#transport/clock.ts'

/** The last word of one client. */
export interface Heard {
  readonly incarnation: string
  readonly dataset: string
  readonly backend: string
  readonly have: NextRequest['have']
  readonly at: number
}

export interface Presence {
  /** Takes note; true where the client was away before, or is a new incarnation. */
  hear(request: NextRequest): boolean
  last(client: string): Heard | undefined
  /** Heard within the silence limit. */
  isPresent(client: string): boolean
  /** Unheard for the silence limit since that moment: a coordinator that has just begun knows nobody, and nobody is lost. */
  isLost(client: string, since: number): boolean
}

export function openPresence(clock: Clock, silenceSeconds: number): Presence {
  const heard = new Map<string, Heard>()
  const isPresent = (client: string): boolean => {
    const last = heard.get(client)
    return last !== undefined && clock.now() - last.at <= silenceSeconds
  }
  return {
    hear(request) {
      const { client, incarnation, dataset, backend, have } = request
      const joined = !isPresent(client) || heard.get(client)?.incarnation !== incarnation
      heard.set(client, { incarnation, dataset, backend, have, at: clock.now() })
      return joined
    },
    last: (client) => heard.get(client),
    isPresent,
    isLost(client, since) {
      const at = Math.max(since, heard.get(client)?.at ?? since)
      return clock.now() - at > silenceSeconds
    },
  }
}
