// Decides which requests reach the request handler. It checks a request's subject before anything parses the body: the subject must
// belong to a partition of the job and keep to its rate. Unknown subjects use no memory: each map holds names of partitions only.
// The bus decides who may publish on a subject; signed-requests.ts checks the client's signature.
import type { ClientsContext } from './context.ts'

/** Requests per second that one subject may send on average. A client in the fastest rounds sends a few hundred. */
const REQUESTS_PER_SECOND = 1000
/** Requests that one subject may send at once after a pause: two seconds' worth. */
const BURST = 2000
/** Seconds between two ClientRefused, or two AnswersIgnored, events about the same client. */
const REFUSAL_SECONDS = 60
/** Seconds between two questions to the store because one client claims a newer coordinator: any client can claim one. */
const EPOCH_SECONDS = 1

export interface Callers {
  /** The client that a subject names, whether the job has it or not. */
  nameOf(subject: string): string
  /** The partition with this subject; undefined where the job has none. */
  clientOf(subject: string): string | undefined
  /** Counts one request of this client. False above its rate. */
  mayAsk(client: string): boolean
  /** Whether this client's claim of a newer coordinator is checked now. */
  mayClaim(client: string): boolean
  /** Whether to report that the client ignores answers: once per REFUSAL_SECONDS, where the count has changed. */
  mayReportIgnored(client: string, count: number): boolean
  /** Whether to report a refusal to observers: only while the client itself is offline, and once per REFUSAL_SECONDS. */
  mayReport(client: string): boolean
}

/** `prefix`: the beginning of the run's subjects (protocol/messages.ts). */
export function createCallers(
  { live, clock, presence }: Pick<ClientsContext, 'live' | 'clock' | 'presence'>,
  prefix: string,
): Callers {
  const left = new Map<string, { requests: number; at: number }>()
  const reported = new Map<string, number>()
  const ignored = new Map<string, { readonly count: number; readonly at: number }>()
  const claimed = new Map<string, number>()
  const [begin, end] = [`${prefix}.`, '.ask']
  const nameOf = (subject: string): string => subject.slice(begin.length, -end.length)
  return {
    nameOf,
    clientOf(subject) {
      if (!subject.startsWith(begin) || !subject.endsWith(end)) return undefined
      const client = nameOf(subject)
      return live().members.some(({ name }) => name === client) ? client : undefined
    },
    mayAsk(client) {
      const now = clock.now()
      const { requests, at } = left.get(client) ?? { requests: BURST, at: now }
      const available = Math.min(BURST, requests + (now - at) * REQUESTS_PER_SECOND)
      left.set(client, { requests: Math.max(0, available - 1), at: now })
      return available >= 1
    },
    mayClaim(client) {
      const now = clock.now()
      if (now - (claimed.get(client) ?? -EPOCH_SECONDS) < EPOCH_SECONDS) return false
      claimed.set(client, now)
      return true
    },
    mayReportIgnored(client, count) {
      const now = clock.now()
      const before = ignored.get(client)
      if (before !== undefined && (before.count === count || now - before.at < REFUSAL_SECONDS)) return false
      ignored.set(client, { count, at: now })
      return true
    },
    mayReport(client) {
      const now = clock.now()
      const before = reported.get(client) ?? -REFUSAL_SECONDS
      if (presence.isOnline(client) || now - before < REFUSAL_SECONDS) return false
      reported.set(client, now)
      return true
    },
  }
}
