// What a site signs for a NATS server. Its key signs requests and receipts too, so a hostile server must not choose the bytes.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { nkeys } from 'nats'
import { natsKey } from '#protocol/nkeys.ts'
import { SIGNED, signedBytes } from '#protocol/signatures.ts'
import { connectWebSocket } from './bus.ts'

const KEY = natsKey('user', randomBytes(32))

/** A frame of a server: not masked, at most 65,535 bytes. */
function frameOf(text: string): Buffer {
  const body = Buffer.from(text)
  const head = Buffer.from([0x82, 126, 0, 0])
  head.writeUInt16BE(body.length, 2)
  return Buffer.concat([head, body])
}

/** The text of a client's first frame, which is masked and has at most 65,535 bytes. */
function unmasked(frame: Buffer): string {
  const short = frame[1]! & 127
  const start = short === 126 ? 4 : 2
  const length = short === 126 ? frame.readUInt16BE(2) : short
  const mask = frame.subarray(start, start + 4)
  return frame
    .subarray(start + 4, start + 4 + length)
    .map((byte, at) => byte ^ mask[at % 4]!)
    .toString()
}

/** What a client shows to a server that sends this nonce. */
async function shown(nonce: string): Promise<{ nkey: string; sig: string }> {
  const first = Promise.withResolvers<string>()
  const server = createServer().on('upgrade', (request, socket: Duplex) => {
    const secret = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(secret).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    const info = {
      server_id: 'N',
      version: '2.15.2',
      max_payload: 1048576,
      auth_required: true,
      headers: true,
      nonce,
    }
    socket.write(frameOf(`INFO ${JSON.stringify(info)}\r\n`))
    socket
      .on('error', () => {})
      .once('data', (frame: Buffer) => {
        first.resolve(unmasked(frame))
        socket.destroy()
      })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/bus`
  const credentials = { user: 'site', nkeySeed: KEY.seed, password: () => '[]' }
  await assert.rejects(
    connectWebSocket({ url, credentials, onError: () => {}, times: { connectMs: 4000 } }),
    {
      code: 'MessagingUnreachable',
    },
  )
  server.close()
  return JSON.parse(/CONNECT (\{.*\})/.exec(await first.promise)![1]!)
}

test('a nonce as nats-server makes it is signed', async () => {
  const { nkey, sig } = await shown('Xk2_v-0aQ9ZrTb1')
  assert.equal(nkey, KEY.publicKey)
  const verified = nkeys.fromPublic(nkey).verify(Buffer.from('Xk2_v-0aQ9ZrTb1'), Buffer.from(sig, 'base64'))
  assert.ok(verified)
})

test('the bytes of a statement of FedSAM are not signed, nor any other text', async () => {
  const statements = Object.values(SIGNED).map((tag) =>
    Buffer.from(signedBytes(tag, ['uid', 'a'])).toString(),
  )
  const nonces = [...statements, 'short', 'x'.repeat(65), 'with a space', 'a-nonce-and-more\u0000']
  const signatures = await Promise.all(nonces.map(async (nonce) => (await shown(nonce)).sig))
  assert.deepEqual(
    signatures,
    nonces.map(() => ''),
  )
})
