// A tiny S3 service with faults: objects in memory, GET (ranges), HEAD, PUT and DELETE, no signatures checked.
// It does on demand what a good service does not: overwrite, ignore ranges, break off bodies, be busy, forbid.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What happens to a request; undefined: it is answered as it should be. */
export type S3Fault =
  | { readonly kind: 'Answer'; readonly status: number; readonly code: string }
  | { readonly kind: 'BreakBody' } // half of it, then the connection ends
  | { readonly kind: 'HangUp' }
  | { readonly kind: 'IgnoreCondition' }
  | { readonly kind: 'IgnoreRange' }
  | { readonly kind: 'ResetUnread' } // the connection is reset before the body is read
  | { readonly kind: 'ForgetAnswer' } // the request is carried out, then the connection ends

export interface S3Service {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  /** Method and key of what was asked, in order. */
  readonly asked: string[]
  close(): Promise<void>
}

export async function startFaultyS3(
  plan: (index: number, method: string, key: string) => S3Fault | undefined,
): Promise<S3Service> {
  const objects = new Map<string, Buffer>()
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const key = new URL(request.url ?? '', 'http://s3').pathname
    const method = request.method ?? ''
    const fault = plan(asked.push(`${method} ${key}`) - 1, method, key)
    if (fault?.kind === 'ResetUnread') {
      request.socket.resetAndDestroy()
      return
    }
    const body = await bodyOf(request)
    if (fault?.kind === 'HangUp') request.socket.destroy()
    else if (fault?.kind === 'Answer') refuse(response, fault.status, fault.code)
    else carryOut({ request, response, body, key, objects, fault })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    objects,
    asked,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>on purpose</Message></Error>`)
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Buffer
  readonly key: string
  readonly objects: Map<string, Buffer>
  readonly fault: S3Fault | undefined
}

function carryOut(exchange: Exchange): void {
  const { request, response, key, objects } = exchange
  if (request.method === 'PUT') put(exchange)
  else if (request.method !== 'DELETE') send(exchange)
  else {
    objects.delete(key)
    response.writeHead(204).end()
  }
}

function put({ request, response, body, key, objects, fault }: Exchange): void {
  const conditional = request.headers['if-none-match'] === '*' && fault?.kind !== 'IgnoreCondition'
  if (conditional && objects.has(key)) {
    refuse(response, 412, 'PreconditionFailed')
    return
  }
  objects.set(key, body)
  if (fault?.kind === 'ForgetAnswer') request.socket.destroy()
  else response.end()
}

function send({ request, response, key, objects, fault }: Exchange): void {
  const found = objects.get(key)
  if (!found) {
    refuse(response, 404, 'NoSuchKey')
    return
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const ranged = from !== undefined && fault?.kind !== 'IgnoreRange'
  const end = to ? Math.min(Number(to) + 1, found.length) : found.length
  const part = ranged ? found.subarray(Number(from), end) : found
  const range = ranged ? { 'content-range': `bytes ${from}-${end - 1}/${found.length}` } : {}
  response.writeHead(ranged ? 206 : 200, { 'content-length': part.length, ...range })
  if (request.method === 'HEAD') response.end()
  else if (fault?.kind !== 'BreakBody') response.end(part)
  else response.write(part.subarray(0, part.length / 2), () => request.socket.destroy())
}
