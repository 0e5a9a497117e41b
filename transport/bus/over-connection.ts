// A message bus over one connection to a NATS server, whichever library holds it: over TCP (nats/) or a WebSocket (websocket/). Here are
// the rules that both share. While the connection is down, a request waits for it until its own time is over. The libraries would queue
// the request and send it when its caller waits no longer.

import { type MessageBus, NoAnswer } from '../ports.ts'
import type { Connection, ConnectionEvent, Link } from './connection.ts'
import { requestsOver } from './requests.ts'
import { type Serving, serve } from './serving.ts'
import { checkBody, checkPattern, checkSubject } from './subject.ts'
import { within } from './within.ts'

interface BusOptions extends Omit<Serving, 'handler' | 'link'> {
  readonly description: string
  /** Called each time the connection is back. */
  readonly onUp?: () => void
}

/** The bus. `events` ends with the connection. */
export function busOver(
  connection: Connection,
  events: AsyncIterable<ConnectionEvent>,
  options: BusOptions,
): MessageBus {
  const { onError, onUp } = options
  const requests = requestsOver(connection)
  const refused = ({ message, operation, subject }: ConnectionEvent & { kind: 'Refused' }) => {
    onError(new Error(`the NATS server refuses: ${[message, operation, subject].filter(Boolean).join(' ')}`))
    if (operation === 'publish' && subject) requests.fail('this client may not ask it', subject)
  }
  const link = linkOf(connection, events, {
    onDown: () => requests.fail('the connection broke'),
    onUp: onUp ?? (() => {}),
    onRefused: refused,
  })
  return {
    description: options.description,
    serve: async (pattern, handler) =>
      serve(connection, checkPattern(pattern), { ...options, handler, link }),
    async request(subject, body, { timeoutMs, inbox = '_INBOX.fedsam', ...others }) {
      checkBody(checkSubject(subject), body)
      const started = performance.now()
      if (!(await link.isUp(timeoutMs))) throw new NoAnswer(`${subject}: the connection is down`)
      const left = Math.max(1, timeoutMs - (performance.now() - started))
      return requests.send(subject, body, { ...others, timeoutMs: left, inbox })
    },
    async close() {
      requests.fail('the bus was closed')
      // Draining sends the last answers. On a connection that is down it would never end.
      const drained = link.up() ? connection.drain().catch(() => {}) : Promise.resolve()
      await within(2000, drained)
      await connection.close()
    },
  }
}

interface Listeners {
  readonly onDown: () => void
  readonly onUp: () => void
  readonly onRefused: (event: ConnectionEvent & { kind: 'Refused' }) => void
}

function linkOf(
  connection: Connection,
  events: AsyncIterable<ConnectionEvent>,
  { onDown, onUp, onRefused }: Listeners,
): Link {
  let back: PromiseWithResolvers<void> | undefined // set while the connection is down
  const receive = (event: ConnectionEvent) => {
    if (event.kind === 'Refused') onRefused(event)
    else if (event.kind === 'Down') {
      back ??= Promise.withResolvers()
      onDown()
    } else if (back !== undefined) {
      // A library reports one connect once for each try before it.
      back.resolve()
      back = undefined
      onUp()
    }
  }
  const follow = async () => {
    for await (const event of events) receive(event)
  }
  void follow()
  return {
    up: () => back === undefined,
    async isUp(timeoutMs) {
      if (back) await within(timeoutMs, back.promise)
      return back === undefined && !connection.isClosed()
    },
  }
}
