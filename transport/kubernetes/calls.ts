// A call of the Kubernetes API, the client that makes it, and the error of a call that the API server refuses. api.ts makes the
// client of a real cluster; others wrap one, to limit its rate or to stop its writes.

/** A server's refusal: HTTP status, the reason as one word (NotFound, AlreadyExists, Conflict, Invalid, …), and its text. */
export class ApiError extends Error {
  readonly status: number
  readonly reason: string
  /** After how many seconds the server wants to be asked again, where it says so. */
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
  /** Of the body; application/json where absent. */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export interface KubernetesClient {
  /** The answer's JSON. Throws ApiError for a refusal, and what the network throws. */
  call<T>(call: Call): Promise<T>
  /** The lines of a watch, each a JSON value, until the server ends it, nothing comes for `quietSeconds`, or the signal says stop. */
  lines<T>(call: Pick<Call, 'path' | 'signal'>, quietSeconds: number): AsyncGenerator<T>
  /** The same of a log: its lines as text. */
  text(call: Pick<Call, 'path' | 'signal'>, quietSeconds: number): AsyncGenerator<string>
  /** Connections that are open. */
  connections(): number
  close(): void
}
