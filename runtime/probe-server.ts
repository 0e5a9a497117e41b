// Answers the kubelet and Prometheus over HTTP: /livez, /readyz and /metrics, each where the program provides it. Guarantees:
// every client costs bounded memory and time, also one that sends too much or too slowly; an answer that fails is a 500.

import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { OPERATOR } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import { PROBE_PATHS } from '#protocol/pods.ts'
import { http } from './http.ts'

export interface ProbeOptions {
  /** 0: any free port. */
  readonly port: number
  /** For /livez: why the program should be restarted; undefined while it works. */
  readonly alive?: () => string | undefined
  /** For /readyz: what the program waits for; undefined while it is ready. */
  readonly ready?: () => string | undefined
  /** For /metrics: the text of a Prometheus registry, and its media type. */
  readonly metrics?: { text(): Promise<string>; readonly type: string }
  /** Receives the error of an answer that failed. */
  readonly onError: (error: unknown) => void
}

export interface ProbeServer {
  readonly port: number
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly type?: string
}

type Answers = ReadonlyMap<string, () => Answer | Promise<Answer>>

/** Bytes of a request's first line and headers; a kubelet and Prometheus send less than 1 KiB. */
const HEADER_BYTES = 8 * 1024
/** Connections at a time; further ones are closed at once. A kubelet and a few scrapers hold one each. */
const CONNECTIONS = 100
/** Milliseconds in which a request must be complete, and in which a connection may carry nothing. */
const PATIENCE_MS = 10_000
/** Milliseconds between two checks of that. */
const CHECK_MS = 1000

/** Listens until closed. Throws FedsamError InvalidJob where the port cannot be used. */
export async function serveProbes(options: ProbeOptions): Promise<ProbeServer> {
  const { port, onError } = options
  const answers = answersOf(options)
  const limits = {
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: PATIENCE_MS,
    requestTimeout: PATIENCE_MS,
    connectionsCheckingInterval: CHECK_MS,
  }
  const server = http().createServer(limits, async (request, response) => {
    try {
      send(response, await answerTo(request, answers))
    } catch (error) {
      onError(error)
      send(response, { status: 500, text: `the answer failed: ${(error as Error).message}\n` })
    }
  })
  server.maxConnections = CONNECTIONS
  server.setTimeout(PATIENCE_MS)
  await listen(server, port)
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new FedsamError('InvalidJob', `cannot serve probes and metrics on port ${port} (${code})`, {
      remedy: `free the port, or set ${OPERATOR.metricsPort.name} or ${OPERATOR.probePort.name} to a free one`,
      cause,
    })
  }
}

function answersOf({ alive, ready, metrics }: ProbeOptions): Answers {
  const answers = new Map<string, () => Answer | Promise<Answer>>()
  if (alive) answers.set(PROBE_PATHS.alive, () => verdict(alive()))
  if (ready) answers.set(PROBE_PATHS.ready, () => verdict(ready()))
  if (metrics)
    answers.set(PROBE_PATHS.metrics, async () => ({
      status: 200,
      text: await metrics.text(),
      type: metrics.type,
    }))
  return answers
}

function verdict(problem: string | undefined): Answer {
  return { status: problem === undefined ? 200 : 503, text: `${problem ?? 'ok'}\n` }
}

function answerTo({ method, url = '' }: IncomingMessage, answers: Answers): Answer | Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'use GET\n' }
  const answer = answers.get(url.split('?')[0]!)
  return answer ? answer() : { status: 404, text: `this port serves ${[...answers.keys()].join(', ')}\n` }
}

/** Closes the connection afterwards: no client may hold one, and the body of a request is never read. */
function send(response: ServerResponse, { status, text, type = 'text/plain; charset=utf-8' }: Answer): void {
  response.writeHead(status, { 'content-type': type, connection: 'close' }).end(text)
}
