// A message bus within one process, for tests and for local runs in one process.
// Guarantees those of ports.ts. As with NATS, every server of a subject receives a request, and the first answer counts.

import { setImmediate } from 'node:timers/promises'
import { type MessageBus, NoAnswer, type RequestHandler } from '../../ports.ts'
import { checkBody, checkPattern, checkSubject, covers } from '../subject.ts'

interface InProcessOptions {
  /** Receives the error that a handler threw. That server does not answer the request. */
  readonly onError?: (error: unknown, subject: string) => void
}

interface Server {
  readonly pattern: string
  readonly handler: RequestHandler
}

/** One bus. Its clients and servers are the holders of this object. */
export function createInProcessBus(options: InProcessOptions = {}): MessageBus {
  const servers = new Set<Server>()
  const closing = new AbortController()
  const answer = async (
    { handler }: Server,
    subject: string,
    body: Uint8Array,
  ): Promise<Uint8Array | undefined> => {
    // A turn of the event loop, as on a network: two ends that ask and answer without a pause must not keep all else from running.
    await setImmediate()
    try {
      return new Uint8Array(checkBody(subject, await handler(subject, new Uint8Array(body))))
    } catch (error) {
      options.onError?.(error, subject)
      return undefined
    }
  }
  return {
    description: 'in process',
    async serve(pattern, handler) {
      const server = { pattern: checkPattern(pattern), handler }
      servers.add(server)
      return {
        async stop() {
          servers.delete(server)
        },
      }
    },
    async request(subject, body, { timeoutMs, accept = () => true }) {
      checkBody(checkSubject(subject), body)
      const serving = [...servers].filter(({ pattern }) => covers(pattern, subject))
      if (closing.signal.aborted || serving.length === 0) throw new NoAnswer(`no server serves ${subject}`)
      return new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer)
          closing.signal.removeEventListener('abort', closed)
        }
        const fail = (why: string) => {
          end()
          reject(new NoAnswer(`${subject}: ${why}`))
        }
        const closed = () => fail('the bus was closed')
        const timer = setTimeout(fail, timeoutMs, `no answer within ${timeoutMs} ms`)
        closing.signal.addEventListener('abort', closed)
        const settle = (found: Uint8Array | undefined) => {
          // The handler threw, or its answer does not count: another server may still answer.
          if (!found || !accept(found)) return
          end()
          resolve(found)
        }
        for (const server of serving) void answer(server, subject, body).then(settle)
      })
    },
    async close() {
      servers.clear()
      closing.abort()
    },
  }
}
