// Decides which requests reach the request handler. It checks a request's subject before anything parses the body: the subject must
// belong to a partition of the job and keep to its rate. Unknown subjects use no memory: each map holds names of partitions only.
// The bus decides who may publish on a subject.
import type { ClientsContext } from './context.ts'

/** Requests per second that one subject may send on average. A client in the fastest rounds sends a few hundred. */
const REQUESTS_PER_SECOND = 1000
/** Requests that one subject may send at once after a pause: two seconds' worth. */
const BURST = 2000
/** Seconds between two ClientRefused events about the same client. */
const REFUSAL_SECONDS = 60

export interface Callers {
  /** The partition with this subject; undefined where the job has none. */
  clientOf(subject: string): string | undefined
  /** Counts one request of this client. False above its rate. */
  mayAsk(client: string): boolean
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
  const [begin, end] = [`${prefix}.`, '.ask']
  return {
    clientOf(subject) {
      if (!subject.startsWith(begin) || !subject.endsWith(end)) return undefined
      const client = subject.slice(begin.length, -end.length)
      return live().members.some(({ name }) => name === client) ? client : undefined
    },
    mayAsk(client) {
      const now = clock.now()
      const { requests, at } = left.get(client) ?? { requests: BURST, at: now }
      const available = Math.min(BURST, requests + (now - at) * REQUESTS_PER_SECOND)
      left.set(client, { requests: Math.max(0, available - 1), at: now })
      return available >= 1
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
