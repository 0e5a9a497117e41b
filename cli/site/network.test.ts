// `fedsam site check --network` at a real nats-server with TLS: a federation that admits the key, one that does not, one without an answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFedsam } from '#test/cli/fedsam.ts'
import { certificate, openWebSocketServer } from '#test/given/websocket-server.ts'

const federation = (name: string, port: number, ca: string): string => `
  - name: ${name}
    trust: [${'5eed'.repeat(16)}]
    bus: wss://localhost:${port}/bus
    store: https://localhost:${port}
    ca: ${certificate(ca)}
    jobs: [{job: team/a, dataset: table, trainer: own}]`

const fileOf = (...federations: string[]): string => `key: site.key
folder: .
federations:${federations.join('')}
datasets: {table: {path: .}}
trainers: {own: {command: [train]}}
`

test('each federation is a line: connected, not admitted, untrusted, without TLS', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-network-'))
  const [own, other] = await Promise.all([openWebSocketServer(), openWebSocketServer()])
  t.after(() => Promise.all([own.close(), other.close(), rm(folder, { recursive: true })]))
  await writeFile(join(folder, 'site.key'), own.seed, { mode: 0o600 })
  const check = async (...federations: string[]) => {
    await writeFile(join(folder, 'site.yaml'), fileOf(...federations))
    const { stdout, code } = await startFedsam(folder, ['site', 'check', 'site.yaml', '--network'])
    const lines = stdout.split(/\n(?=ok|problem|unseen|no |\d)/).map((line) => line.replace(/\s+/g, ' '))
    const of = (name: string) => lines.filter((line) => line.includes(` ${name}: `))
    return { code, of }
  }
  const good = (await check(federation('heart', own.port, 'ca.pem'))).of('heart')
  const steps = [
    /^ok network heart: localhost is /,
    /^ok network heart: localhost:\d+ takes connections/,
    /^ok network heart: the certificate of localhost is trusted/,
    /^ok network heart: localhost:\d+ answers HTTP/,
    /^ok network heart: localhost:\d+\/bus takes WebSockets/,
    /^ok network heart: wss:\S+ admits this key/,
    /^unseen store heart: PUT and GET with a grant were not tried: no run of a listed job.* check again/,
    // The store of this file is a nats-server: it answers, and is no S3 server.
    /^(problem|unseen) PUT heart: .*not by an S3 server/,
    /^(problem|unseen) GET heart: .*not by an S3 server/,
    /clock heart: /,
  ]
  assert.equal(good.length, steps.length, good.join('\n'))
  for (const [at, step] of steps.entries()) assert.match(good[at]!, step)

  const plain = createServer((socket) => socket.end('no TLS')).listen(0, 'localhost')
  await once(plain, 'listening')
  t.after(() => plain.close())
  const { code, of } = await check(
    federation('heart', other.port, 'ca.pem'),
    federation('lung', own.port, 'entry-ca.pem'),
    federation('skin', (plain.address() as AddressInfo).port, 'ca.pem'),
  )
  assert.equal(code, 1)
  assert.match(of('skin')[1]!, /^ok network skin: localhost:\d+ takes connections/)
  assert.match(of('skin')[2]!, /^problem network skin: no TLS with/)
  const heart = of('heart')
  assert.ok(
    heart.some((line) => /^problem network heart:.*Authorization.*does not admit this key/.test(line)),
  )
  assert.ok(
    heart.some((line) => /PUT heart: /.test(line)),
    'the store is tried without a key, too',
  )
  assert.match(of('lung')[2]!, /^problem network lung:.*certificate.*authority/)
})

test('without a key nothing is tried', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-network-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'site.yaml'), fileOf(federation('heart', 2, 'ca.pem')))
  const { stdout } = await startFedsam(folder, ['site', 'check', 'site.yaml', '--network'])
  assert.match(stdout, /network: there is no key/)
  assert.doesNotMatch(stdout, /ECONNREFUSED/)
})
