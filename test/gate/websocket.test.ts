// The port for sites, as gate/config/main.ts configures it for a real nats-server: with TLS, or without behind an edge that ends TLS.
// It speaks NATS at any path, compresses nothing, and admits no pod. This process trusts the authority of test/tls/.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { memberName } from '#protocol/identity.ts'
import { natsKey, publicKeyOfNkey } from '#protocol/nkeys.ts'
import { encodeJobList, SITE_USER } from '#protocol/sites.ts'
import { CLIENT_A, type GivenGate, jobOf, openGate } from '../given/gate.ts'
import { openRawNats, type Place } from '../given/raw-nats.ts'

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))
const CERTIFICATES = join(REPOSITORY, 'test/tls')
const site = natsKey('user', randomBytes(32))
const job = jobOf('one', 'run-1', ['a'], { [publicKeyOfNkey(site.publicKey)!]: 'h' })
const LIST = encodeJobList([{ namespace: 'team', name: 'one' }])
const prove = (nonce: string) => ({
  nkey: site.publicKey,
  sig: Buffer.from(site.sign(Buffer.from(nonce))).toString('base64url'),
})

let folder: string
let authority: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-listeners-'))
  for (const [from, to] of [
    ['ca.pem', 'ca.crt'],
    ['server.pem', 'tls.crt'],
    ['server.key', 'tls.key'],
  ] as const)
    await copyFile(join(CERTIFICATES, from), join(folder, to))
  authority = await readFile(join(folder, 'ca.crt'), 'utf8')
  tls.setDefaultCACertificates([...tls.getCACertificates(), authority])
})
after(() => rm(folder, { recursive: true }))

/** The server's answer to a handshake that offers compression. */
async function handshake(port: number, secure: boolean): Promise<IncomingMessage> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-extensions': 'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  }
  const options = { host: '127.0.0.1', port, path: '/any/path?x=y', headers }
  const asked = secure ? secureRequest({ ...options, ca: authority }) : request(options)
  const answered = Promise.race([once(asked, 'upgrade'), once(asked, 'response')]) as Promise<
    [IncomingMessage]
  >
  asked.end()
  const [response] = await answered
  response.socket.destroy()
  return response
}

const KINDS = [
  ['with TLS', true],
  ['without TLS, behind an edge', false],
] as const
for (const [what, secure] of KINDS) {
  describe(`a WebSocket ${what}, beside TCP with TLS`, () => {
    let gate: GivenGate
    before(async () => {
      gate = await openGate({ jobs: [job], tlsFolder: folder, websocketTls: secure })
      await gate.startGate()
    })
    after(() => gate?.close())
    const place = (): Place => ({ websocket: gate.websocketPort, secure })

    test('opens at any path, and compresses nothing although the client offers it', async () => {
      const { statusCode, headers } = await handshake(gate.websocketPort, secure)
      assert.deepEqual([statusCode, headers['sec-websocket-extensions']], [101, undefined])
    })

    test('admits a site, and no pod', async () => {
      const raw = await openRawNats(place(), SITE_USER, LIST, prove)
      assert.deepEqual(raw.first, [])
      raw.close()
      const token = await gate.tokenOf('run-1', CLIENT_A)
      const pod = await openRawNats(place(), memberName('run-1', CLIENT_A), token)
      assert.deepEqual(pod.first, ["-ERR 'Authorization Violation'"])
      const bus = await gate.connect('run-1', CLIENT_A, { tls: { caFile: join(folder, 'ca.crt') } })
      await bus.close()
    })
  })
}

test('a WebSocket with TLS opens for no client without TLS', async (t) => {
  const gate = await openGate({ jobs: [job], tlsFolder: folder, websocketTls: true })
  t.after(() => gate.close())
  assert.equal((await handshake(gate.websocketPort, false)).statusCode, 400)
})

describe('the program that configures the nats-server', () => {
  const configured = async (env: Record<string, string>): Promise<string> => {
    for (const name of ['issuer', 'user']) await writeFile(join(folder, name), randomBytes(32))
    const file = join(folder, 'nats.conf')
    await promisify(execFile)(process.execPath, ['gate/config/main.ts'], {
      cwd: REPOSITORY,
      env: { PATH: process.env.PATH, FEDSAM_GATE_SEEDS: folder, FEDSAM_GATE_NATS_CONFIG: file, ...env },
    })
    return readFile(file, 'utf8')
  }
  const websocketOf = async (env: Record<string, string>) =>
    /^websocket .*$/m.exec(await configured(env))?.[0]
  const PORT = { FEDSAM_GATE_NATS_WEBSOCKET_PORT: '8443' }

  test('opens no port for sites unless one is named', async () => {
    assert.equal(await websocketOf({ FEDSAM_GATE_NATS_TLS: '/tls' }), undefined)
  })

  test('opens one with TLS where the server has TLS, unless an edge ends it', async () => {
    const secure =
      'websocket { port: 8443, compression: false, tls { cert_file: "/tls/tls.crt", key_file: "/tls/tls.key" } }'
    const plain = 'websocket { port: 8443, compression: false, no_tls: true }'
    assert.equal(await websocketOf({ ...PORT, FEDSAM_GATE_NATS_TLS: '/tls' }), secure)
    const edge = { ...PORT, FEDSAM_GATE_NATS_WEBSOCKET_TLS: 'false' }
    assert.equal(await websocketOf({ ...edge, FEDSAM_GATE_NATS_TLS: '/tls' }), plain)
    assert.equal(await websocketOf(PORT), plain)
  })

  test('refuses TLS without a certificate', async () => {
    await assert.rejects(
      configured({ ...PORT, FEDSAM_GATE_NATS_WEBSOCKET_TLS: 'true' }),
      /folder with tls\.crt/,
    )
  })
})
