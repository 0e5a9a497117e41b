// Serves requests over one connection to a NATS server. Guarantees: the server has the subscription before serve() resolves, while the
// connection is up; a handler that throws sends no answer, and its error is reported; no answer goes to the inbox of another client.

import { FedsamError } from '#protocol/errors.ts'
import { shortened } from '#protocol/text.ts'
import type { RequestHandler } from '../ports.ts'
import type { Connection, Link, Message } from './connection.ts'
import { checkBody } from './subject.ts'
import { within } from './within.ts'

/** A request that names the reply subject of another client. It gets no answer, and its handler is not called. */
export class ForeignReply extends Error {
  override readonly name = 'ForeignReply'
}

export interface Serving {
  /** The queue group of what this connection serves: the server gives each request to one member of the group. */
  readonly group?: string
  /**
   * Whether an answer to this subject may go to this reply subject. A client chooses its reply subject, and this connection may publish
   * where the client may not. Absent: it may.
   */
  readonly mayAnswer?: (subject: string, reply: string) => boolean
  readonly handler: RequestHandler
  /** Receives the error that a handler threw, with its subject, and every refusal of the server. */
  readonly onError: (error: unknown, subject?: string) => void
  readonly link: Link
}

/** Throws FedsamError MessagingUnreachable where the server refuses the subscription. */
export async function serve(connection: Connection, pattern: string, serving: Serving) {
  const { handler, onError, link, group, mayAnswer } = serving
  let refused: Error | undefined
  const answer = async (message: Message) => {
    try {
      if (mayAnswer?.(message.subject, message.reply ?? '') === false)
        throw new ForeignReply(
          `the reply subject ${shortened(message.reply ?? '', 200)} is not the sender's own`,
        )
      const body = await handler(message.subject, new Uint8Array(message.data))
      message.respond(checkBody(message.subject, body))
    } catch (error) {
      onError(error, message.subject)
    }
  }
  const callback = (error: Error | null, message: Message) => {
    if (error) refused = error
    else void answer(message)
  }
  const subscription = connection.subscribe(pattern, { callback, ...(group ? { queue: group } : {}) })
  // The server has the subscription once it has answered this ping: from now on, requests of any client arrive.
  if (link.up())
    await within(
      5000,
      connection.flush().catch(() => {}),
    )
  if (refused) {
    const remedy = 'let this account subscribe to the subject'
    throw new FedsamError('MessagingUnreachable', `${pattern}: ${String(refused)}`, {
      cause: refused,
      remedy,
    })
  }
  return {
    async stop() {
      subscription.unsubscribe()
    },
  }
}
