// A call of the Kubernetes API, the client that makes it, and the error of a call that the API server refuses. api.ts makes the
// client of a real cluster; others wrap one, to limit its rate or to stop its writes.

/** A server's refusal: HTTP status, the reason as one word (NotFound, AlreadyExists, Conflict, Invalid, …), and its text. */
export class ApiError extends Error {
  readonly status: number
  readonly reason: string
  /** Seconds after which the server allows another try; absent where it names none. */
  readonly retryAfterSeconds?: number

  constructor(status: number, reason: string, message: string, retryAfterSeconds = Number.NaN) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.reason = reason
    if (retryAfterSeconds >= 0) this.retryAfterSeconds = retryAfterSeconds
  }
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  /** Path and query: /apis/batch/v1/namespaces/team/jobs?limit=500 */
  readonly path: string
  readonly body?: unknown
  /** The media type of the body; application/json where absent. */
  readonly contentType?: string
  readonly signal?: AbortSignal
  /** Called when the call has a connection, just before its bytes leave. What it throws fails the call, and nothing is sent. */
  readonly beforeSend?: () => void
}

export interface KubernetesClient {
  /** The JSON of the answer. Throws ApiError for a refusal, and the errors of the network. */
  call<T>(call: Call): Promise<T>
  /**
   * The lines of a watch, each a JSON value, until the server ends it. Throws after `quietSeconds` without a line, and when the
   * signal aborts.
   */
  lines<T>(call: Pick<Call, 'path' | 'signal'>, quietSeconds: number): AsyncGenerator<T>
  /** The lines of a log as text, in the same way. */
  text(call: Pick<Call, 'path' | 'signal'>, quietSeconds: number): AsyncGenerator<string>
  /** Open connections. */
  connections(): number
  close(): void
}
