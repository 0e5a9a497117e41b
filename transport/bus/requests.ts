// Requests over one NATS connection. Each has a reply subject under the prefix that its caller names, so that NATS permissions can
// restrict a client to its own inbox. (The libraries' own requests share one prefix per connection.) Guarantees: every request
// ends, with its first answer or with NoAnswer: no server, no answer in time, or a broken connection.

import { randomBytes } from 'node:crypto'
import { NoAnswer, type RequestOptions } from '../ports.ts'
import type { Connection, Message } from './connection.ts'

interface Waiting {
  /** The prefix of its reply subject. */
  readonly inbox: string
  readonly subject: string
  readonly answer: (body: Uint8Array) => void
  readonly fail: (why: string) => void
}

export interface Requests {
  /** Sends one request and waits at most `timeoutMs` for its first answer that counts. */
  send(
    subject: string,
    body: Uint8Array,
    options: RequestOptions & { readonly inbox: string },
  ): Promise<Uint8Array>
  /** Ends the waiting requests, or those of one subject, with NoAnswer. */
  fail(why: string, subject?: string): void
}

/** The code of nats-server's answer where no client has subscribed to the subject. */
const NO_RESPONDERS = 503

export function requestsOver(connection: Connection): Requests {
  const waiting = new Map<string, Waiting>()
  const inboxes = new Map<string, string>()
  let sent = 0

  const receive = (message: Message) => {
    const token = message.subject.slice(message.subject.lastIndexOf('.') + 1)
    const one = waiting.get(token) // undefined: the answer is late, or the second one
    if (message.headers?.code === NO_RESPONDERS) one?.fail('no server serves it')
    else one?.answer(new Uint8Array(message.data)) // a copy: the library's array is a view of its input
  }
  const failWhere = (why: string, counts: (one: Waiting) => boolean) => {
    for (const one of [...waiting.values()]) if (counts(one)) one.fail(why)
  }
  /** One subscription per prefix, which stays. The library renews it after every reconnect, until the server refuses it. */
  const inboxUnder = (prefix: string): string => {
    const known = inboxes.get(prefix)
    if (known) return known
    const inbox = `${prefix}.${randomBytes(16).toString('hex')}`
    inboxes.set(prefix, inbox)
    const callback = (error: Error | null, message: Message) => {
      if (!error) return receive(message)
      inboxes.delete(prefix) // the next request subscribes again: permissions may have changed by then
      failWhere(`its inbox was refused: ${error.message}`, (one) => one.inbox === prefix)
    }
    connection.subscribe(`${inbox}.*`, { callback })
    return inbox
  }
  return {
    fail: (why, subject) => failWhere(why, (one) => subject === undefined || one.subject === subject),
    send(subject, body, { timeoutMs, inbox, accept = () => true }) {
      const token = (sent++).toString(36)
      return new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer)
          waiting.delete(token)
        }
        const fail = (why: string) => {
          end()
          reject(new NoAnswer(`${subject}: ${why}`))
        }
        const answer = (found: Uint8Array) => {
          if (!accept(found)) return // another server may still answer
          end()
          resolve(found)
        }
        const timer = setTimeout(fail, timeoutMs, `no answer within ${Math.round(timeoutMs)} ms`)
        waiting.set(token, { inbox, subject, answer, fail })
        try {
          connection.publish(subject, body, { reply: `${inboxUnder(inbox)}.${token}` })
        } catch (error) {
          fail((error as Error).message)
        }
      })
    },
  }
}
