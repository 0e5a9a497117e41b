// A Hugging Face Hub for tests, on a free port of this machine: one repository, facebook/sam, at one commit.
// Answers as the Hub does, headers included; a test changes what it is about. Used by tests only.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export const COMMIT = 'a'.repeat(40)
export const WEIGHTS = Buffer.alloc(300_000, 'weights ')
export const FILES: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{"model_type": "sam"}'),
  'preprocessor_config.json': Buffer.from('{}'),
  'model.safetensors': WEIGHTS,
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

export function gitSha1(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

/** What one test changes. Each function answers in place of the Hub, or says false and lets the Hub do it. */
export interface HubBehaviour {
  readonly files?: Readonly<Record<string, Buffer>>
  /** Only the token "secret" may read. */
  readonly private?: boolean
  /** The name that weights are announced under. */
  readonly etag?: string
  readonly head?: (response: ServerResponse) => boolean
  /** Answers a GET of weights. */
  readonly content?: (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean
}

export interface Hub {
  readonly endpoint: string
  readonly seen: readonly HubRequest[]
  /** The files that were asked for by this method. */
  readonly requests: (method: string) => string[]
}

interface HubRequest {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
  readonly token: string | undefined
}

/** Starts a Hub that ends with the test. */
export async function hub(t: TestContext, behaviour: HubBehaviour = {}): Promise<Hub> {
  const seen: HubRequest[] = []
  const files = behaviour.files ?? FILES
  const endpoint = await serve(t, (request, response) => {
    const file = request.url!.split('/')[5] ?? ''
    const method = request.method!
    seen.push({ method, path: file, range: request.headers.range, token: request.headers.authorization })
    if (method === 'HEAD' && behaviour.head?.(response)) return
    const refused = refusalOf(request, behaviour.private === true)
    const body = files[file]
    if (refused) response.writeHead(refused[0], { 'x-error-code': refused[1] }).end()
    else if (body === undefined) response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end()
    else answer(request, response, { body, large: file.endsWith('.safetensors'), behaviour })
  })
  return { endpoint, seen, requests: (method) => seen.filter((r) => r.method === method).map((r) => r.path) }
}

function refusalOf(request: IncomingMessage, isPrivate: boolean): [number, string] | undefined {
  const [, owner, name, , revision = ''] = request.url!.split('/')
  if (isPrivate && request.headers.authorization !== 'Bearer secret') return [401, 'RepoNotFound']
  if (owner !== 'facebook' || name !== 'sam') return [404, 'RepoNotFound']
  return [COMMIT, 'main', 'refs%2Fpr%2F1'].includes(revision) ? undefined : [404, 'RevisionNotFound']
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { body, large, behaviour }: { body: Buffer; large: boolean; behaviour: HubBehaviour },
): void {
  const etag = large ? (behaviour.etag ?? sha256(body)) : gitSha1(body)
  response.setHeader('x-repo-commit', COMMIT).setHeader('etag', `"${etag}"`)
  if (large) response.setHeader('x-linked-etag', `"${etag}"`).setHeader('x-linked-size', body.length)
  if (request.method === 'GET' && large && behaviour.content?.(request, response, body)) return
  send(request, response, body)
}

/** Sends a body, or the range of it that is asked for. */
export function send(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from > 0) response.setHeader('content-range', `bytes ${from}-${body.length - 1}/${body.length}`)
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length - from })
  response.end(request.method === 'HEAD' ? undefined : body.subarray(from))
}

/** An HTTP server on a free port that ends with the test; answers its address. */
export async function serve(
  t: TestContext,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
