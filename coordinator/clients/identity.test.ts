// Whether a token belongs to a client. The test creates keys as an API server has them, and tries every wrong token.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { audienceOf } from '#protocol/identity.ts'
import { type KeySet, openClusterKeys } from '#transport/kubernetes/keys.ts'
import { verifyBy } from './identity.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const HOUR = 3600
const AUDIENCE = audienceOf('6f3a')
const SUBJECT = 'system:serviceaccount:team-a:brain-worker-a'

async function signerOf(kid: string, alg = 'RS256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  const sign = (change: { sub?: string; aud?: string; exp?: number; nbf?: number } = {}): Promise<string> => {
    const { sub = SUBJECT, aud = AUDIENCE, exp = NOW / 1000 + HOUR, nbf = NOW / 1000 } = change
    const jwt = new SignJWT({}).setProtectedHeader({ alg, kid }).setSubject(sub).setAudience([aud])
    return jwt.setExpirationTime(exp).setNotBefore(nbf).setIssuedAt(nbf).sign(privateKey)
  }
  return { jwk, sign, publicKey, privateKey }
}
const first = await signerOf('one')

/** A verifier over an API server whose keys a test changes; `clock` is its monotonic one, in seconds. */
function verifier(served: { keys: object[] }) {
  const time = { now: NOW, clock: 1000 }
  let asked = 0
  const call = async <T>(): Promise<T> => {
    asked += 1
    return structuredClone(served) as T
  }
  const keys = openClusterKeys({ call }, { now: () => time.clock, sleep: async () => {} })
  const accounts = new Map([['a', SUBJECT]])
  const verify = verifyBy({
    keys,
    audience: AUDIENCE,
    subjectOf: (client) => accounts.get(client),
    now: () => time.now,
  })
  return { verify, time, accounts, asked: () => asked }
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test("a client's own token is accepted while it is valid, and the keys are requested once", async () => {
  const { verify, asked } = verifier({ keys: [first.jwk] })
  const token = await first.sign()
  assert.equal(await verify('a', token), undefined)
  assert.equal(await verify('a', token), undefined)
  assert.equal(asked(), 1)
})

describe('a token is refused', () => {
  const wrong: readonly [string, () => Promise<string>, RegExp][] = [
    ['that is empty', async () => '', /request has no token/],
    ['that is no JWT', async () => 'secret', /Invalid Compact JWS/],
    ['for another run', () => first.sign({ aud: audienceOf('other') }), /"aud" claim/],
    ['for the API server', () => first.sign({ aud: 'https://kubernetes.default.svc' }), /"aud" claim/],
    ['of another partition', () => first.sign({ sub: `${SUBJECT}b` }), /"sub" claim/],
    ['of another namespace', () => first.sign({ sub: SUBJECT.replace('team-a', 'team-b') }), /"sub" claim/],
    ['that expired', () => first.sign({ exp: NOW / 1000 - 61 }), /"exp" claim/],
    ['that is of the future', () => first.sign({ nbf: NOW / 1000 + 61 }), /"nbf" claim/],
    ['of a key that is not the cluster’s', async () => (await signerOf('one')).sign(), /signature/],
    [
      'without a signature',
      async () => {
        const [, payload] = (await first.sign()).split('.')
        return `${part({ alg: 'none', kid: 'one' })}.${payload}.`
      },
      /"alg"|Invalid/,
    ],
    [
      'signed with the public key as a secret',
      async () => {
        const [, payload] = (await first.sign()).split('.')
        const signed = `${part({ alg: 'HS256', kid: 'one' })}.${payload}`
        const secret = await exportSPKI(first.publicKey)
        return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
      },
      /"alg"/,
    ],
    [
      'whose payload was changed',
      async () => {
        const [header, , signature] = (await first.sign()).split('.')
        return `${header}.${part({ sub: SUBJECT, aud: AUDIENCE, exp: NOW / 1000 + HOUR })}.${signature}`
      },
      /signature/,
    ],
  ]
  for (const [what, make, reason] of wrong) {
    test(what, async () => {
      const { verify } = verifier({ keys: [first.jwk] })
      const why = await verify('a', await make())
      assert.match(why ?? 'the token was accepted', reason)
    })
  }

  test('signed with an algorithm that API servers do not use, by a key that the cluster serves', async () => {
    for (const alg of ['PS256', 'EdDSA', 'RS512']) {
      const signer = await signerOf('odd', alg)
      const { verify } = verifier({ keys: [first.jwk, signer.jwk] })
      assert.match((await verify('a', await signer.sign())) ?? 'the token was accepted', /"alg"/, alg)
    }
  })

  test('without an expiry, although all else is right', async () => {
    const { verify } = verifier({ keys: [first.jwk] })
    const jwt = new SignJWT({}).setProtectedHeader({ alg: 'RS256', kid: 'one' }).setSubject(SUBJECT)
    const endless = await jwt.setAudience(AUDIENCE).sign(first.privateKey)
    assert.match((await verify('a', endless)) ?? 'the token was accepted', /"exp" claim/)
  })

  test('with a long text: the reason stays short', async () => {
    const { verify } = verifier({ keys: [first.jwk] })
    const name = 'x'.repeat(5000)
    const header = part({ alg: 'RS256', kid: 'one', crit: [name], [name]: 1 })
    const reason = await verify('a', `${header}.${part({})}.`)
    assert.ok(reason !== undefined && reason.length < 500)
  })

  test('of a partition that the job does not have', async () => {
    const { verify, asked } = verifier({ keys: [first.jwk] })
    assert.match((await verify('b', await first.sign())) ?? '', /no partition named b/)
    assert.equal(asked(), 0)
  })

  test('although it was accepted before: for another client, of another account, expired', async () => {
    const { verify, time, accounts } = verifier({ keys: [first.jwk] })
    const token = await first.sign()
    accounts.set('b', SUBJECT.replace(/a$/, 'b'))
    assert.equal(await verify('a', token), undefined)
    assert.match((await verify('b', token)) ?? '', /"sub" claim/)
    time.now = NOW + (HOUR + 61) * 1000
    assert.match((await verify('a', token)) ?? '', /"exp" claim/)
    time.now = NOW
    accounts.set('a', 'system:serviceaccount:team-a:own')
    assert.match((await verify('a', token)) ?? '', /"sub" claim/)
  })
})

describe('keys', () => {
  test('are requested again for an unknown key, at most once a minute', async () => {
    const second = await signerOf('two', 'ES256')
    const served: { keys: object[] } = { keys: [first.jwk] }
    const { verify, time, asked } = verifier(served)
    assert.equal(await verify('a', await first.sign()), undefined)
    const token = await second.sign()
    assert.match((await verify('a', token)) ?? '', /no applicable key/)
    assert.equal(asked(), 1, 'the keys were read a moment ago')
    served.keys = [first.jwk, second.jwk]
    time.clock += 61
    assert.equal(await verify('a', token), undefined)
    assert.equal(asked(), 2)
    assert.match((await verify('a', await (await signerOf('three')).sign())) ?? '', /no applicable key/)
    assert.equal(asked(), 2)
  })

  test('that cannot be read refuse no client: it asks again', async () => {
    const call = async <T>(): Promise<T> => Promise.reject(new Error('connect ECONNREFUSED'))
    const keys = openClusterKeys({ call }, { now: () => 0, sleep: async () => {} })
    const verify = verifyBy({ keys, audience: AUDIENCE, subjectOf: () => SUBJECT, now: () => NOW })
    await assert.rejects(verify('a', await first.sign()), /ECONNREFUSED/)
  })

  test('that several checks need at once are one request', async () => {
    let asked = 0
    const answer = Promise.withResolvers<KeySet>()
    const call = async <T>(): Promise<T> => {
      asked += 1
      return (await answer.promise) as T
    }
    const keys = openClusterKeys({ call }, { now: () => 0, sleep: async () => {} })
    const all = [keys.known(), keys.known(), keys.renewed()]
    answer.resolve({ keys: [] })
    await Promise.all(all)
    assert.equal(asked, 1)
  })
})
