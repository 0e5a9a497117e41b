// Who is not admitted, and why, on a real nats-server with the gate's real code: wrong tokens, wrong kinds of connection, and clients
// that misuse what they were granted.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exportSPKI } from 'jose'
import type { Authenticator } from '#gate/authenticators/authenticator.ts'
import { audienceOf, COORDINATOR, type Member, memberName } from '#protocol/identity.ts'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { LONGEST_SECRET } from '#transport/bus/nats/authentication.ts'
import { ForeignReply } from '#transport/bus/serving.ts'
import { CLIENT_A, CLIENT_B, type GivenGate, jobOf, openGate, signerOf } from '../given/gate.ts'
import { openRawNats } from '../given/raw-nats.ts'
import { until } from '../until.ts'

const RUN = 'run-1'
const PREFIX = subjectPrefix('team', RUN)
const LONG = { timeoutMs: 120_000 }
const NOW = Date.now() / 1000

/** A second row: users that may connect over WebSocket alone. */
const websockets: Authenticator = async ({ user, type }) =>
  user !== 'site'
    ? undefined
    : {
        kind: 'Admitted',
        name: `site over ${type}`,
        permissions: { publish: [], subscribe: ['own.>'] },
        seconds: 60,
        connections: ['WEBSOCKET'],
      }

let gate: GivenGate
let signer: Awaited<ReturnType<typeof signerOf>>
before(async () => {
  const jobs = [jobOf('one', RUN), jobOf('two', 'run-2')]
  gate = await openGate({ jobs, authenticators: [websockets] })
  signer = gate.signer
  await gate.startGate()
})
after(() => gate?.close())

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The server's answer to this user, and the gate's reason. */
async function answerTo(user: string, pass: string) {
  gate.verdicts.length = 0
  const raw = await openRawNats({ tcp: gate.nats.port }, user, pass)
  raw.close()
  const verdict = gate.verdicts[0]
  return { lines: raw.first, reason: verdict?.kind === 'Refused' ? verdict.reason : verdict?.kind }
}

const REFUSED = ["-ERR 'Authorization Violation'"]

describe('a token is refused', () => {
  const account = (name: string, namespace = 'team') => `system:serviceaccount:${namespace}:${name}`
  const ofA = (change: object = {}) => gate.tokenOf(RUN, CLIENT_A, change)
  const wrong: readonly [string, string, () => Promise<string>][] = [
    ['that is empty', 'NoToken', async () => ''],
    ['that is no JWT', 'BadToken', async () => 'secret'],
    ['that another client stole', 'OtherAccount', () => gate.tokenOf(RUN, CLIENT_B)],
    ["of the run's coordinator", 'OtherAccount', () => gate.tokenOf(RUN, COORDINATOR)],
    ['of the same client of another run', 'OtherAccount', () => gate.tokenOf('run-2', CLIENT_A)],
    [
      'that another client with the same account stole',
      'OtherAudience',
      () => ofA({ aud: audienceOf(RUN, CLIENT_B) }),
    ],
    [
      'of a coordinator with the same account',
      'OtherAudience',
      () => ofA({ aud: audienceOf(RUN, COORDINATOR) }),
    ],
    [
      'of another run with the same account',
      'OtherAudience',
      () => ofA({ aud: audienceOf('run-2', CLIENT_A) }),
    ],
    ['for the run without a member', 'OtherAudience', () => ofA({ aud: `fedsam.dev/${RUN}` })],
    ['for the API server', 'OtherAudience', () => ofA({ aud: 'https://kubernetes.default.svc' })],
    ['that another account projected', 'OtherAccount', () => ofA({ sub: account('one-worker-b') })],
    [
      'of the account in another namespace',
      'OtherAccount',
      () => ofA({ sub: account('one-worker-a', 'other') }),
    ],
    ['that expired', 'TokenExpired', () => ofA({ exp: Math.floor(NOW) - 61 })],
    [
      "of a key that is not the cluster's",
      'BadToken',
      async () => {
        const other = await signerOf()
        return other.sign({ sub: account('one-worker-a'), aud: audienceOf(RUN, CLIENT_A) })
      },
    ],
    [
      'of an unknown key',
      'BadToken',
      async () => {
        const other = await signerOf('other')
        return other.sign({ sub: account('one-worker-a'), aud: audienceOf(RUN, CLIENT_A) })
      },
    ],
    [
      'with an algorithm that API servers do not use',
      'BadToken',
      async () => {
        const other = await signerOf('one', 'PS256')
        return other.sign({ sub: account('one-worker-a'), aud: audienceOf(RUN, CLIENT_A) })
      },
    ],
    [
      'without a signature',
      'BadToken',
      async () => {
        const [, payload] = (await ofA()).split('.')
        return `${part({ alg: 'none', kid: 'one' })}.${payload}.`
      },
    ],
    [
      'signed with the public key as a secret',
      'BadToken',
      async () => {
        const [, payload] = (await ofA()).split('.')
        const signed = `${part({ alg: 'HS256', kid: 'one' })}.${payload}`
        const secret = await exportSPKI(signer.publicKey)
        return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
      },
    ],
    [
      'whose payload was changed',
      'BadToken',
      async () => {
        const [header, , signature] = (await gate.tokenOf(RUN, CLIENT_B)).split('.')
        const payload = { sub: account('one-worker-a'), aud: audienceOf(RUN, CLIENT_A), exp: NOW + 3600 }
        return `${header}.${part(payload)}.${signature}`
      },
    ],
  ]
  for (const [what, reason, make] of wrong) {
    test(what, async () => {
      assert.deepEqual(await answerTo(memberName(RUN, CLIENT_A), await make()), { lines: REFUSED, reason })
    })
  }

  test('the right one is accepted', async () => {
    const token = await ofA()
    assert.deepEqual(await answerTo(memberName(RUN, CLIENT_A), token), { lines: [], reason: 'Admitted' })
  })
})

describe('a user is refused', () => {
  const names: readonly [string, string, string][] = [
    ['without a name', '', 'UnknownUser'],
    ['with a name of 2,000 characters', 'x'.repeat(2000), 'UnknownUser'],
    ['with a wildcard as the client', `${RUN}/client/*`, 'UnknownUser'],
    ['with two names', `${RUN}/client/a/client/b`, 'UnknownUser'],
    ['of an unknown run', 'run-3/client/a', 'UnknownJob'],
    ['of a client that the job does not have', `${RUN}/client/c`, 'UnknownClient'],
    ['of a client with the name of a role', `${RUN}/client/coordinator`, 'UnknownClient'],
  ]
  for (const [what, user, reason] of names) {
    test(what, async () => {
      const token = await gate.tokenOf(RUN, CLIENT_A)
      assert.deepEqual(await answerTo(user, token), { lines: REFUSED, reason })
    })
  }
})

describe('a connection', () => {
  test("of another kind than its row allows is refused: a pod's token over WebSocket, a WebSocket user over TCP", async () => {
    const token = await gate.tokenOf(RUN, CLIENT_A)
    const places = { tcp: { tcp: gate.nats.port }, websocket: { websocket: gate.websocketPort } } as const
    const first = async (place: keyof typeof places, user: string, pass: string) => {
      const raw = await openRawNats(places[place], user, pass)
      raw.close()
      return raw.first
    }
    assert.deepEqual(await first('tcp', memberName(RUN, CLIENT_A), token), [])
    assert.deepEqual(await first('websocket', memberName(RUN, CLIENT_A), token), REFUSED)
    assert.deepEqual(await first('websocket', 'site', ''), [])
    // The gate admits this one; nats-server itself refuses the kind of connection.
    assert.deepEqual(await first('tcp', 'site', ''), REFUSED)
  })

  test('that may publish nothing publishes nothing', async () => {
    const raw = await openRawNats({ websocket: gate.websocketPort }, 'site', '')
    const refused = `-ERR 'Permissions Violation for Publish to "own.x"'`
    assert.deepEqual(await raw.send('PUB own.x 0', ''), [refused])
    raw.close()
  })

  test('ends with its token, and is back with the next one', async () => {
    const secretFile = join(gate.folder, 'renewed')
    await writeFile(
      secretFile,
      await gate.tokenOf(RUN, CLIENT_A, { exp: Math.floor(Date.now() / 1000) - 58 }),
    )
    const errors: string[] = []
    const coordinator = await gate.connect(RUN, COORDINATOR)
    await coordinator.serve(clientSubject(PREFIX, '*'), async (_, body) => body)
    const client = await gate.connect(RUN, CLIENT_A, {
      credentials: { user: memberName(RUN, CLIENT_A), secretFile },
      onError: (error) => errors.push(String(error)),
    })
    const ask = () =>
      client.request(clientSubject(PREFIX, 'a'), Buffer.from('x'), {
        ...LONG,
        inbox: clientInbox(PREFIX, 'a'),
      })
    assert.equal(Buffer.from(await ask()).toString(), 'x')
    gate.verdicts.length = 0
    await until('the server ended the connection', () => gate.verdicts.some(({ kind }) => kind === 'Refused'))
    await writeFile(`${secretFile}.new`, await gate.tokenOf(RUN, CLIENT_A))
    await rename(`${secretFile}.new`, secretFile)
    assert.equal(Buffer.from(await ask()).toString(), 'x')
    await client.close()
    await coordinator.close()
  })
})

describe('a token of 5,000 bytes', () => {
  test('is a clear error at once, and nothing is sent', async () => {
    gate.verdicts.length = 0
    const token = await gate.tokenOf(RUN, CLIENT_A, { padding: 'x'.repeat(5000) })
    await assert.rejects(gate.connect(RUN, CLIENT_A, { token }), {
      code: 'MessagingUnreachable',
      message: /FEDSAM_TOKEN_FILE.* has \d+ bytes; NATS accepts at most 3600/,
      remedy: /credentialsSecretName/,
    })
    assert.deepEqual(gate.verdicts, [])
  })

  test('is above the bound; a token of the bound connects, with the longest names', async () => {
    const [uid, client] = ['6f3a8c1e-0000-4000-8000-0123456789ab', 'c'.repeat(63)]
    gate.jobs.set(uid, jobOf('long', uid, [client]))
    const member: Member = { role: 'client', client }
    const short = (await gate.tokenOf(uid, member)).length
    // Base64 writes three bytes as four characters.
    const padding = 'x'.repeat(Math.floor(((LONGEST_SECRET - short) * 3) / 4) - 2)
    const token = await gate.tokenOf(uid, member, { padding })
    assert.ok(token.length > LONGEST_SECRET - 20 && token.length <= LONGEST_SECRET)
    const bus = await gate.connect(uid, member, { token, name: `worker-${client}` })
    await bus.close()
  })

  test('in place of the old one does not end the connection', async () => {
    const secretFile = join(gate.folder, 'grown')
    await writeFile(
      secretFile,
      await gate.tokenOf(RUN, CLIENT_A, { exp: Math.floor(Date.now() / 1000) - 58 }),
    )
    const errors: string[] = []
    const client = await gate.connect(RUN, CLIENT_A, {
      credentials: { user: memberName(RUN, CLIENT_A), secretFile },
      onError: (error) => errors.push(String(error)),
    })
    await writeFile(secretFile, 'x'.repeat(5000))
    await until('the fault is reported', () => errors.some((error) => /has 5000 bytes/.test(error)))
    await writeFile(secretFile, await gate.tokenOf(RUN, CLIENT_A))
    gate.verdicts.length = 0
    await until('the client is back', () => gate.verdicts.some(({ kind }) => kind === 'Admitted'))
    await client.close()
  })
})

test("a client that names another client's inbox as its reply subject gets no answer there", async () => {
  const errors: unknown[] = []
  const served: string[] = []
  const coordinator = await gate.connect(RUN, COORDINATOR, { onError: (error) => errors.push(error) })
  await coordinator.serve(clientSubject(PREFIX, '*'), async (subject, body) => {
    served.push(subject)
    return body
  })
  const [a, b] = await Promise.all(
    [CLIENT_A, CLIENT_B].map(async (member) =>
      openRawNats({ tcp: gate.nats.port }, memberName(RUN, member), await gate.tokenOf(RUN, member)),
    ),
  )
  await b!.send(`SUB ${clientInbox(PREFIX, 'b')}.> 1`)
  await a!.send(`SUB ${clientInbox(PREFIX, 'a')}.> 1`)
  const ask = clientSubject(PREFIX, 'a')
  const [foreign, own] = [`${clientInbox(PREFIX, 'b')}.x`, `${clientInbox(PREFIX, 'a')}.x`]
  assert.deepEqual(await a!.send(`PUB ${ask} ${foreign} 1`, 'x'), [])
  await until('the coordinator saw it', () => errors.length === 1)
  assert.ok(errors[0] instanceof ForeignReply)
  assert.deepEqual(served, [], 'the handler is not called')
  assert.deepEqual(await a!.send(`PUB ${ask} ${own} 1`, 'x'), [])
  await until('the coordinator answered the honest request', () => served.length === 1)
  assert.deepEqual(await b!.send(), [], 'nothing came to b')
  a!.close()
  b!.close()
  await coordinator.close()
})
