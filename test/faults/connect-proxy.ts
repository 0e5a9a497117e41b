// An HTTP proxy that takes CONNECT, as at the edge of a hospital's network. It alone knows where the outside names are.
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { type CutPlan, createLines, type Lines, listening } from './lines.ts'

interface ProxyOptions {
  /** Where it listens; 127.0.0.1 unless set. */
  readonly address?: string
  /** The port of this machine for each target "host:port". Others are answered with 502. */
  readonly targets: Readonly<Record<string, number>>
  /** "user:password", which it asks for by Basic authentication. */
  readonly credentials?: string
  /** What it answers to everybody. */
  readonly refusal?: { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  readonly cutAfter?: CutPlan
  /** How long each connection lives. */
  readonly cutAfterSeconds?: number
}

export interface ConnectProxy extends Omit<Lines, 'carry'> {
  readonly port: number
  readonly url: string
  /** The targets that it was asked for, in order. */
  readonly asked: string[]
  /** Ends all connections and every new one, until it is up again. */
  setDown(down: boolean): void
  close(): Promise<void>
}

export async function startConnectProxy(options: ProxyOptions): Promise<ConnectProxy> {
  const { address = '127.0.0.1', targets, credentials, refusal } = options
  const lines = createLines(options.cutAfter, options.cutAfterSeconds)
  const asked: string[] = []
  let isDown = false
  const basic = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`
  const server = createServer((_, response) => response.writeHead(405).end())
  const answerTo = (target: string, authorization: string | undefined) => {
    if (refusal) return refusal
    if (basic && authorization !== basic)
      return { status: 407, headers: { 'proxy-authenticate': 'Basic realm="hospital"' } }
    return targets[target] === undefined ? { status: 502 } : undefined
  }
  server.on('connect', (request, near, head: Buffer) => {
    const target = request.url ?? ''
    asked.push(target)
    near.on('error', () => {})
    if (isDown) return void near.destroy()
    const refused = answerTo(target, request.headers['proxy-authorization'])
    if (refused) {
      const headers = Object.entries(refused.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
      near.end(`HTTP/1.1 ${refused.status} Refused\r\ncontent-length: 0\r\n${headers.join('')}\r\n`)
      return
    }
    const far = connect(targets[target]!, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n')
      far.write(head)
      lines.carry(near, far)
    })
    far.on('error', () => near.destroy())
  })
  const { port, close } = await listening(server, lines, address)
  const end = async (): Promise<void> => {
    server.closeAllConnections()
    await close()
  }
  const setDown = (down: boolean): void => {
    isDown = down
    if (down) lines.cut()
  }
  return { ...lines, port, url: `http://${address}:${port}`, asked, setDown, close: end }
}
