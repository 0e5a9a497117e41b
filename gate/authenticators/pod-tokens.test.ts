// Tokens and keys that test/gate/ cannot show through a server: algorithms, times, and an API server whose keys change or are away.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SignJWT } from 'jose'
import { audienceOf, memberName, subjectOf } from '#protocol/identity.ts'
import { CLIENT_A, jobOf, signerOf } from '#test/given/gate.ts'
import { type KeySet, openClusterKeys } from '#transport/kubernetes/keys.ts'
import { podTokens } from './pod-tokens.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const SECONDS = NOW / 1000
const UID = '6f3a'
const CLAIMS = {
  sub: subjectOf('team', 'brain-worker-a'),
  aud: audienceOf(UID, CLIENT_A),
  now: SECONDS,
}
const first = await signerOf('one')

/** An authenticator over an API server whose keys a test changes; `clock` is its monotonic one, in seconds. */
function opened(served: { keys: object[] }) {
  const time = { now: NOW, clock: 1000 }
  let asked = 0
  const call = async <T>(): Promise<T> => {
    asked += 1
    return structuredClone(served) as T
  }
  const keys = openClusterKeys({ call }, { now: () => time.clock, sleep: async () => {} })
  const job = jobOf('brain', UID)
  const find = (uid: string) => (uid === UID ? job : undefined)
  const authenticate = podTokens({ jobs: { find }, keys, now: () => time.now })
  const verdictOf = async (password: string) => {
    const user = memberName(UID, CLIENT_A)
    const verdict = await authenticate({
      user,
      password,
      type: 'STANDARD',
      nkey: '',
      signature: '',
      nonce: '',
    })
    return verdict?.kind === 'Refused' ? verdict.reason : verdict
  }
  return { verdictOf, time, asked: () => asked }
}

describe('a token', () => {
  test('that is right is admitted as long as it is valid, and the keys are requested once', async () => {
    const { verdictOf, asked } = opened({ keys: [first.jwk] })
    const verdict = await verdictOf(await first.sign(CLAIMS))
    assert.ok(typeof verdict === 'object')
    assert.deepEqual(
      [verdict.name, verdict.seconds, verdict.connections],
      [`${UID}/client/a`, 3660, ['STANDARD']],
    )
    assert.ok(typeof (await verdictOf(await first.sign(CLAIMS))) === 'object')
    assert.equal(asked(), 1)
  })

  test('is accepted up to a minute after its expiry, and refused later', async () => {
    const { verdictOf } = opened({ keys: [first.jwk] })
    assert.ok(typeof (await verdictOf(await first.sign({ ...CLAIMS, exp: SECONDS - 59 }))) === 'object')
    assert.equal(await verdictOf(await first.sign({ ...CLAIMS, exp: SECONDS - 61 })), 'TokenExpired')
  })

  test('of an algorithm that API servers do not use is refused, although the cluster serves its key', async () => {
    for (const alg of ['PS256', 'EdDSA', 'RS512']) {
      const signer = await signerOf('odd', alg)
      const { verdictOf } = opened({ keys: [first.jwk, signer.jwk] })
      assert.equal(await verdictOf(await signer.sign(CLAIMS)), 'BadToken', alg)
    }
  })

  test('without an expiry, or of the future, is refused', async () => {
    const { verdictOf } = opened({ keys: [first.jwk] })
    const jwt = () =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .setSubject(CLAIMS.sub)
        .setAudience(CLAIMS.aud)
    assert.equal(await verdictOf(await jwt().sign(first.privateKey)), 'BadToken')
    const later = jwt()
      .setExpirationTime(SECONDS + 3600)
      .setNotBefore(SECONDS + 61)
    assert.equal(await verdictOf(await later.sign(first.privateKey)), 'BadToken')
  })
})

describe('keys', () => {
  test('are requested again for an unknown key, at most once a minute', async () => {
    const second = await signerOf('two', 'ES256')
    const served: { keys: object[] } = { keys: [first.jwk] }
    const { verdictOf, time, asked } = opened(served)
    assert.ok(typeof (await verdictOf(await first.sign(CLAIMS))) === 'object')
    const token = await second.sign(CLAIMS)
    assert.equal(await verdictOf(token), 'BadToken')
    assert.equal(asked(), 1, 'the keys were read a moment ago')
    served.keys = [first.jwk, second.jwk]
    time.clock += 61
    assert.ok(typeof (await verdictOf(token)) === 'object')
    assert.equal(asked(), 2)
    assert.equal(await verdictOf(await (await signerOf('three')).sign(CLAIMS)), 'BadToken')
    assert.equal(asked(), 2)
  })

  test('that cannot be read have a reason of their own', async () => {
    const call = async <T>(): Promise<T> => Promise.reject(new Error('connect ECONNREFUSED'))
    const keys = openClusterKeys({ call }, { now: () => 0, sleep: async () => {} })
    const authenticate = podTokens({ jobs: { find: () => jobOf('brain', UID) }, keys, now: () => NOW })
    const asking = {
      user: memberName(UID, CLIENT_A),
      type: 'STANDARD',
      nkey: '',
      signature: '',
      nonce: '',
    } as const
    const verdict = await authenticate({ ...asking, password: await first.sign(CLAIMS) })
    assert.ok(verdict?.kind === 'Refused' && verdict.reason === 'KeysUnreachable')
    assert.match(verdict.detail!, /ECONNREFUSED/)
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
