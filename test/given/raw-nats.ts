// A NATS client of a few lines, over TCP or WebSocket: a test sees exactly what the server answers.
import { once } from 'node:events'
import { connect } from 'node:net'

const PONG = 'PONG\r\n'

export interface RawNats {
  /** Resolves when the server has ended the connection, with what it said since the last answer. */
  ended(): Promise<string[]>
  /** Sends lines, then PING; resolves to all lines since the last PONG and before this one, or to all of them where the server ends the connection. */
  send(...lines: string[]): Promise<string[]>
  close(): void
}

/** More of a client's first line, from the nonce that the server sent. */
export type Prove = (nonce: string) => { readonly nkey?: string; readonly sig?: string }

/** Where to connect. `secure`: with TLS, and an authority that the process trusts. */
export type Place = { readonly tcp: number } | { readonly websocket: number; readonly secure?: boolean }

/** Connects, and shows this user and password. The first answer has the server's refusal, if any. */
export async function openRawNats(
  address: Place,
  user: string,
  pass: string,
  prove?: Prove,
): Promise<RawNats & { readonly first: string[] }> {
  let text = ''
  let ended = false
  let wake = (): void => {}
  const receive = (bytes: string): void => {
    text += bytes
    wake()
  }
  const end = (): void => {
    ended = true
    wake()
  }
  const write =
    'tcp' in address
      ? await overTcp(address.tcp, receive, end)
      : await overWebSocket(
          `${address.secure ? 'wss' : 'ws'}://127.0.0.1:${address.websocket}/bus`,
          receive,
          end,
        )
  const send = async (...lines: string[]): Promise<string[]> => {
    write.line([...lines, 'PING', ''].join('\r\n'))
    while (!ended && !text.includes(PONG)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const end = text.indexOf(PONG)
    const read = end < 0 ? text : text.slice(0, end)
    text = end < 0 ? '' : text.slice(end + PONG.length)
    return linesOf(read)
  }
  const options = { user, pass, verbose: false, pedantic: false, lang: 'test', version: '1', protocol: 1 }
  const seen = async (pattern: RegExp): Promise<string> => {
    while (!ended && !pattern.test(text)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return pattern.exec(text)?.[1] ?? '{}'
  }
  const proof = prove?.(JSON.parse(await seen(/^INFO (\{.*\})/m)).nonce)
  const first = await send(`CONNECT ${JSON.stringify({ ...options, ...proof })}`)
  const untilEnded = async (): Promise<string[]> => {
    await seen(/(?!)/) // matches nothing
    return linesOf(text)
  }
  return { first, send, ended: untilEnded, close: write.close }
}

function linesOf(text: string): string[] {
  return text.split('\r\n').filter((line) => line !== '' && line !== 'PING' && !line.startsWith('INFO '))
}

interface Line {
  line(text: string): void
  close(): void
}

async function overTcp(port: number, receive: (text: string) => void, end: () => void): Promise<Line> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  socket.on('data', receive).on('close', end).on('error', end)
  await once(socket, 'connect')
  return { line: (text) => void socket.write(text), close: () => void socket.destroy() }
}

async function overWebSocket(url: string, receive: (text: string) => void, end: () => void): Promise<Line> {
  const socket = new WebSocket(url)
  socket.binaryType = 'arraybuffer'
  socket.addEventListener('message', ({ data }) => receive(Buffer.from(data as ArrayBuffer).toString()))
  socket.addEventListener('close', end)
  socket.addEventListener('error', end)
  await once(socket, 'open')
  return { line: (text) => socket.send(Buffer.from(text)), close: () => socket.close() }
}
