// Requests and tokens as a stranger can shape them: none is admitted, whatever it holds, and every one is answered.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { exportJWK, generateKeyPair } from 'jose'
import { audienceOf } from '#protocol/identity.ts'
import { natsKey } from '#protocol/nkeys.ts'
import { fuzz } from '#test/fuzz.ts'
import { podTokens } from './authenticators/pod-tokens.ts'
import { createCallout } from './callout.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const AUDIENCE = audienceOf('6f3a', { role: 'client', client: 'a' })
const SUBJECT = 'system:serviceaccount:team:brain-worker-a'
const { publicKey } = await generateKeyPair('ES256', { extractable: true })
const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] }
const JOB = {
  place: { namespace: 'team', uid: '6f3a' },
  name: 'brain',
  coordinatorAccount: 'brain-coordinator',
  workerAccounts: new Map([['a', 'brain-worker-a']]),
  siteClients: new Map<string, string>(),
}
const answer = createCallout({
  issuer: natsKey('account', new Uint8Array(32).fill(7)),
  authenticators: [
    podTokens({
      jobs: { find: (uid) => (uid === '6f3a' ? JOB : undefined) },
      keys: { known: async () => keys, renewed: async () => keys },
      now: () => NOW,
    }),
  ],
  onVerdict: (verdict) => assert.equal(verdict.kind, 'Refused'),
})

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = fc.oneof(
  fc.record({
    alg: fc.constantFrom('ES256', 'HS256', 'none', 'PS256', '__proto__'),
    kid: fc.constantFrom('one', 'two', ''),
    crit: fc.option(fc.array(fc.string()), { nil: undefined }),
    b64: fc.option(fc.boolean(), { nil: undefined }),
  }),
  fc.jsonValue(),
)
const claims = fc.oneof(
  fc.record({
    sub: fc.constantFrom(SUBJECT, 'x'),
    aud: fc.oneof(fc.constant(AUDIENCE), fc.jsonValue()),
    exp: fc.oneof(fc.constant(NOW / 1000 + 60), fc.double()),
  }),
  fc.jsonValue(),
)
const token = fc.oneof(
  fc
    .tuple(header, claims, fc.base64String({ maxLength: 120 }))
    .map(([first, second, signature]) => `${part(first)}.${part(second)}.${signature.replace(/[+/=]/g, '')}`),
  fc.string({ maxLength: 4096 }),
)
const user = fc.oneof(fc.constantFrom('6f3a/client/a', '6f3a/coordinator', ''), fc.string())
const request = fc.record({
  iat: fc.oneof(fc.constant(NOW / 1000), fc.jsonValue()),
  nats: fc.oneof(
    fc.record({
      server_id: fc.constant({ id: 'N' }),
      user_nkey: fc.constant('U'),
      client_info: fc.oneof(fc.constant({ host: '127.0.0.1', type: 'nats' }), fc.jsonValue()),
      connect_opts: fc.oneof(fc.record({ user, pass: token }), fc.jsonValue()),
    }),
    fc.jsonValue(),
  ),
})

fuzz('requests of the authorization callout', {
  input: fc.oneof(
    request.map((claims) => Buffer.from(`e30.${part(claims)}.x`)),
    fc.uint8Array({ maxLength: 4096 }),
  ),
  async read(body) {
    const text = Buffer.from(await answer(body)).toString()
    assert.ok(text.length < 2000)
    if (text === '') return
    const read = JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString())
    assert.equal(typeof read.nats.error, 'string')
    assert.equal(read.nats.jwt, undefined)
  },
  examples: [Buffer.from('.'.repeat(100_000)), Buffer.from(`e30.${'W1tb'.repeat(30_000)}.x`)],
})
