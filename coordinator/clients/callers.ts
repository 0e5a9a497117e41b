// Who may reach the handler. A request's subject is checked before its body is parsed: it must belong to a partition of the job, and
// keep to the subject's rate. Strangers leave no trace: every map here holds names of partitions only.
// Whether a request really comes from its client is left to the token check (identity.ts).
import type { RunContext } from '../run/context.ts'

/** Requests of one subject: a client in the fastest rounds sends some hundred a second. */
const REQUESTS_PER_SECOND = 1000
/** Requests that may come at once, after a silence. */
const MOST_AT_ONCE = 2000
/** Observers hear at most once in this time that somebody without a right token speaks in a client's name. */
const TELL_SECONDS = 60

export interface Callers {
  /** The partition whose subject this is; undefined where the job has no such partition. */
  clientOf(subject: string): string | undefined
  /** Counts one request of this client. False above its rate. */
  mayAsk(client: string): boolean
  /** Whether observers should hear of a refusal: not while the client itself is heard, and not again and again. */
  mayTell(client: string): boolean
}

/** `prefix`: of the run's subjects (protocol/messages.ts). */
export function createCallers({ live, clock, presence }: RunContext, prefix: string): Callers {
  const left = new Map<string, { requests: number; at: number }>()
  const told = new Map<string, number>()
  const [begin, end] = [`${prefix}.`, '.ask']
  return {
    clientOf(subject) {
      if (!subject.startsWith(begin) || !subject.endsWith(end)) return undefined
      const client = subject.slice(begin.length, -end.length)
      return live().members.some(({ name }) => name === client) ? client : undefined
    },
    mayAsk(client) {
      const now = clock.now()
      const { requests, at } = left.get(client) ?? { requests: MOST_AT_ONCE, at: now }
      const available = Math.min(MOST_AT_ONCE, requests + (now - at) * REQUESTS_PER_SECOND)
      left.set(client, { requests: Math.max(0, available - 1), at: now })
      return available >= 1
    },
    mayTell(client) {
      const now = clock.now()
      if (presence.isHeard(client) || now - (told.get(client) ?? -TELL_SECONDS) < TELL_SECONDS) return false
      told.set(client, now)
      return true
    },
  }
}
