// What a stranger can send as a site: none is admitted without a signature of the nonce, and none gets a subject that no job grants.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { natsKey, publicKeyOfNkey } from '#protocol/nkeys.ts'
import { sitePermissions } from '#protocol/permissions.ts'
import { fuzz } from '#test/fuzz.ts'
import { jobOf } from '#test/given/gate.ts'
import type { Asking } from './authenticator.ts'
import { sites } from './sites.ts'

const NONCE = 'a-nonce-of-15-ch'
const own = natsKey('user', new Uint8Array(32).fill(1))
const stranger = natsKey('user', new Uint8Array(32).fill(2))
const key = publicKeyOfNkey(own.publicKey)!
const signed = (by: typeof own, nonce: string) => Buffer.from(by.sign(Buffer.from(nonce)))
const right = signed(own, NONCE)
const jobs = [jobOf('one', 'run-1', ['a'], { [key]: 'h' }), jobOf('two', 'run-2', ['a'], {})]
const authenticate = sites({
  jobs: { naming: (asked) => jobs.filter(({ siteClients }) => siteClients.has(asked)) },
  now: (() => {
    let now = 0
    return () => (now += 60)
  })(),
  random: () => 0.5,
})

const asking: fc.Arbitrary<Asking> = fc.record({
  user: fc.oneof({ weight: 20, arbitrary: fc.constant('site') }, fc.string()),
  password: fc.oneof(
    fc.constantFrom('["team/one"]', '["team/two"]', '[]', '["team/*"]', '["*/one"]', '[["team/one"]]', ''),
    fc
      .array(fc.constantFrom('team/one', 'team/two', 'x/y'), { maxLength: 70 })
      .map((list) => JSON.stringify(list)),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.string({ maxLength: 4096 }),
  ),
  type: fc.constantFrom('WEBSOCKET' as const, 'WEBSOCKET' as const, 'STANDARD' as const),
  nkey: fc.oneof(
    fc.constantFrom(
      own.publicKey,
      own.publicKey,
      stranger.publicKey,
      own.publicKey.toLowerCase(),
      own.seed,
      '',
    ),
    fc.string({ maxLength: 80 }),
  ),
  signature: fc.oneof(
    fc.constantFrom(right.toString('base64url'), right.toString('base64'), right.toString('hex'), ''),
    fc
      .constantFrom(signed(stranger, NONCE), signed(own, 'other'))
      .map((bytes) => bytes.toString('base64url')),
    fc.uint8Array({ maxLength: 70 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc.string({ maxLength: 120 }),
  ),
  nonce: fc.constantFrom(NONCE, NONCE, '', 'other-nonce'),
})

fuzz('connections of sites', {
  input: asking,
  async read(input) {
    const verdict = await authenticate(input)
    if (input.user !== 'site') return assert.equal(verdict, undefined)
    if (verdict?.kind !== 'Admitted') return assert.equal(verdict?.kind, 'Refused')
    assert.ok(input.nkey === own.publicKey && input.type === 'WEBSOCKET' && input.nonce === NONCE)
    assert.ok([right.toString('base64url'), right.toString('base64')].includes(input.signature))
    const listed = (JSON.parse(input.password) as string[]).includes('team/one')
    const granted = listed ? [{ place: jobs[0]!.place, client: 'h' }] : []
    assert.deepEqual(verdict.permissions, sitePermissions(key, granted))
    assert.deepEqual([verdict.seconds, verdict.connections], [48, ['WEBSOCKET']])
  },
  examples: [
    {
      ...{ user: 'site', password: '["team/one"]', type: 'WEBSOCKET' as const, nkey: own.publicKey },
      ...{ signature: right.toString('base64'), nonce: NONCE },
    },
  ],
})
