// A download whose grant expires on the way: it says that it got further, and the next grant resumes it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { bodyOf } from '#test/conformance/bodies.ts'
import { type Grant, GrantRefused } from '../ports.ts'
import { createGrantedTransfers } from './transfers.ts'

const BODY = Buffer.from(bodyOf(1000))
const HALF = 500

test('a download whose grant expired has progressed, and the next grant takes the rest', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-expired-'))
  const ranges: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const { range } = request.headers
    ranges.push(range)
    if (range === undefined) {
      // The line breaks after the first half.
      response.writeHead(200, { 'content-length': BODY.length })
      response.write(BODY.subarray(0, HALF), () => response.destroy())
    } else if (request.url === '/old') response.writeHead(403).end()
    else {
      const from = Number(/\d+/.exec(range))
      response.writeHead(206, { 'content-range': `bytes ${from}-${BODY.length - 1}/${BODY.length}` })
      response.end(BODY.subarray(from))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  const grant = (name: string): Grant => {
    const { port } = server.address() as AddressInfo
    return { method: 'GET', url: `http://127.0.0.1:${port}/${name}`, headers: {} }
  }
  const file = join(folder, 'model')
  const transfers = createGrantedTransfers()
  const progress = (name: string) =>
    transfers.download(grant(name), file).then(
      () => 'complete',
      (error: GrantRefused) => error instanceof GrantRefused && error.progressed,
    )
  assert.equal(await progress('old'), true)
  assert.equal(await progress('old'), false)
  assert.equal(await progress('new'), 'complete')
  assert.deepEqual(await readFile(file), BODY)
  assert.deepEqual(ranges, [undefined, ...Array<string>(3).fill(`bytes=${HALF - 1}-`)])
})
