// Tokens as a stranger sends them: none is a client's, whatever it holds, and the reason why is short.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { exportJWK, generateKeyPair } from 'jose'
import { audienceOf } from '#protocol/identity.ts'
import { fuzz } from '#test/fuzz.ts'
import { verifyBy } from './identity.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const AUDIENCE = audienceOf('6f3a')
const SUBJECT = 'system:serviceaccount:team-a:brain-worker-a'
const { publicKey } = await generateKeyPair('ES256', { extractable: true })
const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] }
const verify = verifyBy({
  keys: { known: async () => keys, renewed: async () => keys },
  audience: AUDIENCE,
  subjectOf: () => SUBJECT,
  now: () => NOW,
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
const forged = fc
  .tuple(header, claims, fc.base64String({ maxLength: 120 }))
  .map(([first, second, signature]) => `${part(first)}.${part(second)}.${signature.replace(/[+/=]/g, '')}`)

fuzz('tokens', {
  input: fc.oneof(
    forged,
    fc.string({ maxLength: 8192, minLength: 1 }),
    fc.array(fc.string(), { minLength: 2 }).map((parts) => parts.join('.')),
  ),
  async read(token) {
    const reason = await verify('a', token)
    assert.ok(reason !== undefined && reason.length < 500)
  },
  examples: ['.'.repeat(8192), `${part({ alg: 'ES256', kid: 'one', crit: ['x'.repeat(4000)] })}.e30.`],
})
