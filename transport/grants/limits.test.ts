// A hostile store that answers without end, or with more bytes than an object has: neither the disk nor the memory of a client fills.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { GrantRefused } from '../ports.ts'
import { createGrantedTransfers } from './transfers.ts'

const MOST = 100_000

async function storeOf(t: TestContext, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-limits-'))
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/a`
  const transfers = createGrantedTransfers({ stores: [url], attempts: 2 })
  return { grant: { method: 'GET', url, headers: {} } as const, transfers, file: join(folder, 'a') }
}

/** Sends until the client ends the connection. */
function endless(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024)
  const send = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', send).on('error', () => {})
  send()
}

test('an object without an end is damaged, and at most one chunk more than it has is on the disk', async (t) => {
  const { grant, transfers, file } = await storeOf(t, (_, response) => endless(response))
  await assert.rejects(transfers.download(grant, file, { most: MOST }), {
    code: 'RecordDamaged',
    message: /more than the 100000 bytes of a$/,
  })
  const { size } = await stat(`${file}.partial`)
  assert.ok(size <= MOST + 1024 * 1024, `${size} bytes`)
})

test('an object that says that it is too long is damaged, and nothing of it is stored', async (t) => {
  const { grant, transfers, file } = await storeOf(t, (_, response) => {
    response.writeHead(200, { 'content-length': String(MOST + 1) })
    endless(response)
  })
  await assert.rejects(transfers.download(grant, file, { most: MOST }), { code: 'RecordDamaged' })
  assert.equal((await stat(`${file}.partial`)).size, 0)
})

test('an object of exactly its bytes is downloaded', async (t) => {
  const { grant, transfers, file } = await storeOf(t, (_, response) => response.end(Buffer.alloc(MOST)))
  assert.equal((await transfers.download(grant, file, { most: MOST })).size, MOST)
})

test('a refusal without an end is a refusal', async (t) => {
  const { grant, transfers } = await storeOf(t, (_, response) => {
    response.writeHead(403)
    endless(response)
  })
  await assert.rejects(transfers.read(grant), GrantRefused)
})
