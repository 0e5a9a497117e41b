// A connection to a NATS server, as both libraries offer it: `nats` over TCP (nats/), `@nats-io/nats-core` over a WebSocket (websocket/).
// Each adapter turns the reports of its library into ConnectionEvents; over-connection.ts makes the bus.

/** A message as both libraries deliver it. */
export interface Message {
  readonly subject: string
  readonly data: Uint8Array
  readonly reply?: string
  readonly headers?: { readonly code: number }
  respond(body: Uint8Array): boolean
}

/** What both libraries call NatsConnection. */
export interface Connection {
  publish(subject: string, body: Uint8Array, options: { reply: string }): void
  /** The callback receives a message, or the error with which the server refused the subscription. */
  subscribe(
    pattern: string,
    options: { callback: (error: Error | null, message: Message) => void; queue?: string },
  ): { unsubscribe(): void }
  flush(): Promise<void>
  drain(): Promise<void>
  close(): Promise<void>
  isClosed(): boolean
}

/** What a library reports of its connection. */
export type ConnectionEvent =
  | { readonly kind: 'Down' }
  | { readonly kind: 'Up' }
  /** The server refuses something; `subject` and `operation` where it is a subject. */
  | {
      readonly kind: 'Refused'
      readonly message: string
      readonly operation?: string
      readonly subject?: string
    }

/** The state of a connection. */
export interface Link {
  up(): boolean
  /** Whether it is up; waits at most `timeoutMs` for it to come back. */
  isUp(timeoutMs: number): Promise<boolean>
}
