// How a client authenticates to a NATS server: certificates of both sides, and a credentials file that may be replaced.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nkeys } from 'nats'
import { startNats } from '#cli/run/servers/servers.ts'
import { connectNats, type NatsOptions } from './bus.ts'

async function withNats(
  config: (folder: string) => Promise<string>,
  check: (url: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-credentials-'))
  const nats = await startNats({ folder, config: await config(folder) })
  await check(nats.url, folder).finally(async () => {
    await nats.stop()
    await rm(folder, { recursive: true })
  })
}

async function roundTrip(options: NatsOptions): Promise<string> {
  const bus = await connectNats(options)
  await bus.serve('echo', async (_, body) => body)
  const answer = await bus.request('echo', Buffer.from('hello'), { timeoutMs: 120_000 })
  await bus.close()
  return Buffer.from(answer).toString()
}

test('TLS with certificates of both sides', async () => {
  const at = (name: string) => join(import.meta.dirname, '..', '..', '..', 'test', 'tls', name)
  const files = `cert_file: "${at('server.pem')}", key_file: "${at('server.key')}", ca_file: "${at('ca.pem')}"`
  await withNats(
    async () => `tls { ${files}, verify: true }`,
    async (url) => {
      const tls = { caFile: at('ca.pem'), certFile: at('client.pem'), keyFile: at('client.key') }
      assert.equal(await roundTrip({ url, tls }), 'hello')
      await assert.rejects(connectNats({ url, connectTimeoutMs: 500 }), { code: 'MessagingUnreachable' })
      await assert.rejects(connectNats({ url, tls: { caFile: at('ca.pem') }, connectTimeoutMs: 500 }), {
        code: 'MessagingUnreachable',
      })
    },
  )
})

type KeyPair = ReturnType<typeof nkeys.createUser>

/** A JWT as NATS wants it: signed by an nkey (https://docs.nats.io, "Decentralized JWT authentication"). */
function token(signer: KeyPair, subject: string, name: string, nats: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const issued = Math.floor(Date.now() / 1000)
  const claims = {
    jti: crypto.randomUUID(),
    iat: issued,
    iss: signer.getPublicKey(),
    name,
    sub: subject,
    nats,
  }
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString('base64url')}`
}

function credentials(account: KeyPair): string {
  const user = nkeys.createUser()
  const jwt = token(account, user.getPublicKey(), 'user', {
    type: 'user',
    version: 2,
    subs: -1,
    data: -1,
    payload: -1,
  })
  const seed = Buffer.from(user.getSeed()).toString()
  const block = (label: string, body: string) =>
    `-----BEGIN ${label}-----\n${body}\n------END ${label}------\n`
  return `${block('NATS USER JWT', jwt)}\n${block('USER NKEY SEED', seed)}`
}

test('a credentials file', async () => {
  const [operator, account, stranger] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()]
  const limits = {
    subs: -1,
    conn: -1,
    leaf: -1,
    imports: -1,
    exports: -1,
    data: -1,
    payload: -1,
    wildcards: true,
  }
  const config = async () => {
    const operatorJwt = token(operator, operator.getPublicKey(), 'operator', { type: 'operator', version: 2 })
    const accountJwt = token(operator, account.getPublicKey(), 'account', {
      type: 'account',
      version: 2,
      limits,
    })
    return `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`
  }
  await withNats(config, async (url, folder) => {
    const credsFile = join(folder, 'user.creds')
    await writeFile(credsFile, credentials(stranger))
    await assert.rejects(connectNats({ url, credentials: { credsFile } }), { code: 'MessagingUnreachable' })
    await writeFile(credsFile, credentials(account))
    assert.equal(await roundTrip({ url, credentials: { credsFile } }), 'hello')
  })
})
