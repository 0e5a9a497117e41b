// Grants of a worker whose store is known: no byte goes to another host, and no redirect is followed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { GrantRefused } from '../ports.ts'
import { createGrantedTransfers } from './transfers.ts'

const BODY = new TextEncoder().encode('update')
const close: (() => void)[] = []
let store: string
let thief: string
let stolen = 0

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  close.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

before(async () => {
  thief = await listen((_request, response) => {
    stolen += 1
    response.end()
  })
  store = await listen((request, response) => {
    request.resume()
    if (request.url === '/models/away') response.writeHead(307, { location: `${thief}/models/a` })
    response.end()
  })
})
after(() => {
  for (const end of close) end()
})

const put = (url: string) =>
  createGrantedTransfers({ stores: [`${store}/models/`], attempts: 1 }).write(
    { method: 'PUT', url, headers: {} },
    BODY,
  )

test('a grant for the bucket is used', async () => {
  assert.equal(await put(`${store}/models/a`), 'Created')
})

test('a grant for another host, another bucket, or of another scheme is refused, and a redirect is not followed', async () => {
  const other = new URL(store)
  for (const url of [
    `${thief}/models/a`,
    `${store}/others/a`,
    `${store}/models/../others/a`,
    `${store}/models/%2e%2e/others/a`,
    `http://${other.host}@${new URL(thief).host}/models/a`,
    `${store}/models/away`,
    'file:///tmp/a',
    'memory:a',
  ])
    await assert.rejects(put(url), GrantRefused, url)
  assert.equal(stolen, 0)
})

test('`https:` admits every host by HTTPS, and nothing else', async () => {
  const transfers = createGrantedTransfers({ stores: ['https:'], attempts: 1 })
  for (const url of [`${store}/models/a`, 'file:///tmp/a'])
    await assert.rejects(transfers.read({ method: 'GET', url, headers: {} }), GrantRefused)
})
