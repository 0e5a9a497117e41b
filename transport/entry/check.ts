// The steps of a site's way to the entry of its federation, one by one: name, connection or proxy, TLS, HTTP, WebSocket. A WebSocket that
// fails does not say why, and a site's people need to know whom to ask for what. Guarantees: every step ends; no text holds a password.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { http } from '#runtime/http.ts'
import { checkName, openByProxy, openTcp, reasonOf, startTls } from './connect.ts'
import { StepFailed } from './step.ts'

export interface EntryOptions {
  /** "wss://host[:port]/path" */
  readonly url: string
  /** PEM of the authorities that may sign the entry's certificate, in the place of the system's. */
  readonly ca?: string
  /** "http://[user:password@]host:port" */
  readonly proxy?: string
  /** Milliseconds of one step. */
  readonly stepMs?: number
}

/** `passed`: a sentence for each step. `secondsAhead`: of this machine's clock, against the entry's; absent where no answer had a date. */
export type CheckedEntry = { readonly passed: readonly string[]; readonly secondsAhead?: number } & (
  | { readonly kind: 'Passed' }
  | { readonly kind: 'Failed'; readonly failure: StepFailed }
)

/** Takes the steps up to the first one that fails. `now`: milliseconds since 1970, by this machine's clock. */
export async function checkEntry(options: EntryOptions, now: () => number = Date.now): Promise<CheckedEntry> {
  const passed: string[] = []
  const clock: { secondsAhead?: number } = {}
  const url = new URL(options.url)
  const ms = options.stepMs ?? 10_000
  try {
    const answer = await answerOf(await openEntry(url, options, (says) => passed.push(says)), url, { ms })
    const date = Date.parse(answer.headers.date ?? '')
    if (Number.isFinite(date)) clock.secondsAhead = Math.round((now() - date) / 1000)
    passed.push(`${url.host} answers HTTP`)
    const upgraded = await answerOf(await openEntry(url, options, () => 0), url, { ms, upgrade: true })
    if (upgraded.statusCode !== 101) throw notUpgraded(url, upgraded)
    passed.push(`${url.host}${url.pathname} takes WebSockets`)
    return { kind: 'Passed', passed, ...clock }
  } catch (failure) {
    if (!(failure instanceof StepFailed)) throw failure
    return { kind: 'Failed', failure, passed, ...clock }
  }
}

/** A connection with TLS to the host of the URL; `pass` hears each step. Throws StepFailed. */
export async function openEntry(
  url: URL,
  options: Omit<EntryOptions, 'url'>,
  pass: (says: string) => void,
): Promise<TLSSocket> {
  const { ca, proxy, stepMs: ms = 10_000 } = options
  const place = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443) }
  if (proxy === undefined) pass(`${place.host} is ${await checkName(place)}`)
  const socket = await (proxy === undefined ? openTcp(place, ms) : openByProxy(place, proxy, ms))
  pass(proxy === undefined ? `${url.host} takes connections` : `the proxy connects to ${url.host}`)
  const tls = await startTls(socket, { ...place, ca, ms })
  pass(`the certificate of ${place.host} is trusted`)
  return tls
}

/** The head of the answer to one request, after which the connection ends. */
async function answerOf(
  socket: TLSSocket,
  url: URL,
  { ms, upgrade = false }: { readonly ms: number; readonly upgrade?: boolean },
): Promise<IncomingMessage> {
  const key = { 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64') }
  const asking = http().request({
    createConnection: () => socket,
    path: upgrade ? url.pathname : '/',
    headers: { host: url.host, ...(upgrade ? { connection: 'Upgrade', upgrade: 'websocket', ...key } : {}) },
    signal: AbortSignal.timeout(ms),
  })
  try {
    const answered = [once(asking, 'response'), once(asking, 'upgrade')]
    asking.end()
    const [answer] = await Promise.race(answered)
    return answer
  } catch (error) {
    throw new StepFailed(
      'NoAnswer',
      `${url.host} does not answer HTTP: ${reasonOf(error as Error, ms)}`,
      'ask the people who run the federation whether its entry runs',
    )
  } finally {
    socket.destroy()
  }
}

function notUpgraded(url: URL, { statusCode }: IncomingMessage): StepFailed {
  return new StepFailed(
    'NoWebSocket',
    `${url.host}${url.pathname} answers ${statusCode} to the upgrade to a WebSocket`,
    `compare the address with that of the federation; if it is right, ask the network's people to pass WebSockets to ${url.host}`,
  )
}
