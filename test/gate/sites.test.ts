// Sites at a real nats-server with the configuration of the chart and the gate's real code: which subjects a site may use, cell by cell;
// who is not admitted, and why; how a connection ends. The test uses the raw protocol over WebSocket, so that the server alone decides.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { type NatsKey, natsKey, publicKeyOfNkey } from '#protocol/nkeys.ts'
import { encodeJobList, MOST_SITE_JOBS, SITE_USER, siteInbox, USER_INFO_SUBJECT } from '#protocol/sites.ts'
import { type GivenGate, jobOf, openGate } from '../given/gate.ts'
import { openRawNats, type Prove } from '../given/raw-nats.ts'
import { untilSeen } from '../until.ts'

interface Site {
  readonly key: NatsKey
  readonly publicKey: string
  readonly prove: Prove
}

function newSite(): Site {
  const key = natsKey('user', randomBytes(32))
  return { key, publicKey: publicKeyOfNkey(key.publicKey)!, prove: (nonce) => proofBy(key, key, nonce) }
}

/** What a client sends that shows the first key, with a signature by the second. */
function proofBy({ publicKey: nkey }: NatsKey, signer: NatsKey, nonce: string) {
  return { nkey, sig: Buffer.from(signer.sign(Buffer.from(nonce))).toString('base64url') }
}

const [A, B, STRANGER] = [newSite(), newSite(), newSite()]
/** The clients that A and B are, in each run. */
const CLIENTS: Readonly<Record<string, readonly [string, string]>> = {
  'run-1': ['h-a', 'h-b'],
  'run-2': ['k-a', 'k-b'],
}
const jobs = Object.entries(CLIENTS).map(([uid, [a, b]]) =>
  jobOf(`job-${uid}`, uid, ['a'], { [A.publicKey]: a, [B.publicKey]: b }),
)
const listOf = (...names: string[]): string =>
  encodeJobList(names.map((name) => ({ namespace: 'team', name })))
const BOTH = listOf('job-run-1', 'job-run-2')
const REFUSED = ["-ERR 'Authorization Violation'"]

let gate: GivenGate
before(async () => {
  gate = await openGate({ jobs })
  await gate.startGate()
})
after(() => gate?.close())

const connect = (list: string, prove: Prove, from: GivenGate = gate) =>
  openRawNats({ websocket: from.websocketPort }, SITE_USER, list, prove)

/** What the server answers to a site that connects, and the gate's reason. */
async function answerTo(list: string, prove: Prove, from: GivenGate = gate) {
  from.verdicts.length = 0
  const raw = await connect(list, prove, from)
  raw.close()
  const [verdict] = from.verdicts
  return [raw.first, verdict?.kind === 'Refused' ? verdict.reason : verdict?.kind]
}

/** Every subject of both runs, of both sites and of the server: what this site may publish and subscribe. */
function cells(
  site: Site,
  runs: readonly string[],
): [subject: string, publish: boolean, subscribe: boolean][] {
  const rows: [string, boolean, boolean][] = []
  const everybody = Object.values(CLIENTS).flat()
  for (const [run, [a, b]] of Object.entries(CLIENTS)) {
    const prefix = subjectPrefix('team', run)
    for (const client of ['a', ...everybody]) {
      const mine = runs.includes(run) && client === (site === A ? a : b)
      const inbox = clientInbox(prefix, client)
      rows.push([clientSubject(prefix, client), mine, false])
      rows.push([`${inbox}.x`, false, mine], [`${inbox}.x.y`, false, mine], [inbox, false, false])
    }
    rows.push([`${prefix}.ask`, false, false])
  }
  for (const { publicKey } of [A, B, STRANGER])
    rows.push([`${siteInbox(publicKey)}.x`, false, publicKey === site.publicKey])
  rows.push([USER_INFO_SUBJECT, true, false])
  for (const subject of [
    '_INBOX.x',
    'fedsam',
    '$SYS.REQ.USER.AUTH',
    '$SYS.REQ.SERVER.PING.CONNZ',
    '$JS.API.INFO',
  ])
    rows.push([subject, false, false])
  return rows
}

/** Patterns, of which a site may subscribe those inside of its own inboxes alone. */
function patterns(site: Site, runs: readonly string[]): [pattern: string, subscribe: boolean][] {
  const rows: [string, boolean][] = [
    '>',
    '*',
    'fedsam.>',
    '$SYS.>',
    '_INBOX.>',
    'fedsam.site.>',
    'fedsam.site.*.inbox.>',
  ].map((pattern) => [pattern, false])
  for (const { publicKey } of [A, B]) rows.push([`${siteInbox(publicKey)}.>`, publicKey === site.publicKey])
  for (const [run, [a, b]] of Object.entries(CLIENTS)) {
    const prefix = subjectPrefix('team', run)
    const listed = runs.includes(run)
    rows.push([`${prefix}.>`, false], [`${prefix}.*.ask`, false], [`${prefix}.*.inbox.>`, false])
    rows.push([`${clientInbox(prefix, a)}.>`, listed && site === A])
    rows.push([`${clientInbox(prefix, b)}.*`, listed && site === B])
  }
  return rows
}

const SEATS: readonly [string, Site, string, readonly string[]][] = [
  ['site A, which lists both jobs', A, BOTH, ['run-1', 'run-2']],
  ['site B, which lists both jobs', B, BOTH, ['run-1', 'run-2']],
  ['site A, which lists the first job', A, listOf('job-run-1'), ['run-1']],
  [
    'site B, which lists the second job twice, and jobs of others',
    B,
    listOf('job-run-2', 'job-run-2', 'x'),
    ['run-2'],
  ],
  ['site A, which lists no job that exists', A, listOf('other'), []],
  ['site B, which lists nothing', B, listOf(), []],
]
for (const [what, site, list, runs] of SEATS) {
  describe(what, () => {
    let connection: Awaited<ReturnType<typeof connect>>
    before(async () => {
      connection = await connect(list, site.prove)
      assert.deepEqual(connection.first, [])
    })
    after(() => connection?.close())

    test('publishes and subscribes exactly to the subjects of its own clients', async () => {
      for (const [subject, publish] of cells(site, runs)) {
        const refused = `-ERR 'Permissions Violation for Publish to "${subject}"'`
        assert.deepEqual(await connection.send(`PUB ${subject} 0`, ''), publish ? [] : [refused])
      }
      const single = cells(site, runs).map(([subject, , subscribe]) => [subject, subscribe] as const)
      for (const [subject, subscribe] of [...single, ...patterns(site, runs)]) {
        const refused = `-ERR 'Permissions Violation for Subscription to "${subject}"'`
        assert.deepEqual(await connection.send(`SUB ${subject} 1`, 'UNSUB 1'), subscribe ? [] : [refused])
      }
    })

    test('reads its jobs from the server itself', async () => {
      const inbox = `${siteInbox(site.publicKey)}.info`
      await connection.send(`SUB ${inbox} 7`)
      const heard = [await connection.send(`PUB ${USER_INFO_SUBJECT} ${inbox} 0`, '')]
      const line = await untilSeen(
        'the answer',
        async () => {
          heard.push(await connection.send())
          return heard.flat().find((text) => text.startsWith('{'))
        },
        (text) => text !== undefined,
      )
      const { data } = JSON.parse(line!)
      const own = runs.map((run) =>
        clientSubject(subjectPrefix('team', run), CLIENTS[run]![site === A ? 0 : 1]!),
      )
      assert.deepEqual(data.permissions.publish.allow.sort(), [USER_INFO_SUBJECT, ...own].sort())
      assert.ok(data.expires > 0)
    })
  })
}

describe('a site is refused', () => {
  const cases: readonly [string, string, Prove, string][] = [
    ['whose key no job names', BOTH, STRANGER.prove, 'UnknownKey'],
    ['without a key', BOTH, () => ({}), 'BadKey'],
    ['with an account key', BOTH, () => ({ nkey: natsKey('account', randomBytes(32)).publicKey }), 'BadKey'],
    ['with its seed in place of the key', BOTH, () => ({ nkey: A.key.seed }), 'BadKey'],
    ["with another site's key", BOTH, (nonce) => proofBy(A.key, B.key, nonce), 'BadSignature'],
    ['without a signature', BOTH, () => ({ nkey: A.key.publicKey }), 'BadSignature'],
    ['with a signature of something else', BOTH, () => proofBy(A.key, A.key, 'x'), 'BadSignature'],
    ['with a signature of nothing', BOTH, () => proofBy(A.key, A.key, ''), 'BadSignature'],
    ['without a list', '', A.prove, 'BadJobList'],
    ['with a wildcard in its list', '["team/*"]', A.prove, 'BadJobList'],
    ['with 65 jobs', JSON.stringify(Array(65).fill('team/x')), A.prove, 'BadJobList'],
    [
      'with a list above 3,000 bytes',
      JSON.stringify(Array(16).fill(`team/${'x'.repeat(200)}`)),
      A.prove,
      'BadJobList',
    ],
  ]
  for (const [what, list, prove, reason] of cases)
    test(what, async () => assert.deepEqual(await answerTo(list, prove), [REFUSED, reason]))

  test('over TCP', async () => {
    gate.verdicts.length = 0
    const raw = await openRawNats({ tcp: gate.nats.port }, SITE_USER, BOTH, A.prove)
    raw.close()
    assert.deepEqual(raw.first, REFUSED)
    assert.ok(gate.verdicts[0]?.kind === 'Refused' && gate.verdicts[0].reason === 'OtherConnection')
  })

  test('with a handshake that somebody recorded: it is of another nonce', async () => {
    let recorded = {}
    const record: Prove = (nonce) => (recorded = proofBy(A.key, A.key, nonce))
    assert.deepEqual(await answerTo(BOTH, record), [[], 'Admitted'])
    assert.deepEqual(await answerTo(BOTH, () => recorded), [REFUSED, 'BadSignature'])
  })

  test('by the server, with a list that does not fit into a first line', async () => {
    const [lines, reason] = await answerTo(JSON.stringify(Array(64).fill(`team/${'x'.repeat(200)}`)), A.prove)
    // A client that still sends when the server ends the connection may miss what it said.
    assert.match(String(lines), /maximum control line exceeded|^$/i)
    assert.equal(reason, undefined, 'the gate is not asked')
  })
})

test('a signature in base64 with padding is accepted: clients send either', async () => {
  const prove: Prove = (nonce) => ({
    nkey: A.key.publicKey,
    sig: Buffer.from(A.key.sign(Buffer.from(nonce))).toString('base64'),
  })
  assert.deepEqual(await answerTo(BOTH, prove), [[], 'Admitted'])
})

test('64 jobs fit into one connection, with an inbox for each; a 65th that names the key is left out', async () => {
  const site = newSite()
  const named = Array.from({ length: MOST_SITE_JOBS + 1 }, (_, at) =>
    jobOf(`many-${at}`, `many-${at}`, [], { [site.publicKey]: 'h' }),
  )
  for (const job of named) gate.jobs.set(job.place.uid, job)
  const names = named.slice(0, MOST_SITE_JOBS).map(({ name }) => name)
  const raw = await connect(listOf(...names), site.prove)
  assert.deepEqual(raw.first, [])
  const inboxes = names.map((uid, at) => `SUB ${clientInbox(subjectPrefix('team', uid), 'h')}.> ${at + 1}`)
  assert.deepEqual(await raw.send(...inboxes, `SUB ${siteInbox(site.publicKey)}.> 100`), [])
  const last = clientSubject(subjectPrefix('team', `many-${MOST_SITE_JOBS}`), 'h')
  assert.deepEqual(await raw.send(`PUB ${last} 0`, ''), [
    `-ERR 'Permissions Violation for Publish to "${last}"'`,
  ])
  raw.close()
})

describe('a connection', () => {
  test('ends at its expiry; the site is back at once, and refused once no job names its key', async (t) => {
    const brief = await openGate({ jobs, siteSeconds: { least: 2, most: 2 } })
    t.after(() => brief.close())
    await brief.startGate()
    const first = await connect(BOTH, A.prove, brief)
    assert.deepEqual(first.first, [])
    assert.deepEqual(await first.ended(), ["-ERR 'User Authentication Expired'"])
    const second = await connect(BOTH, A.prove, brief)
    assert.deepEqual(second.first, [])
    // The author removes the key from both jobs while the site is connected.
    for (const { name, place } of jobs) brief.jobs.set(place.uid, jobOf(name, place.uid, ['a']))
    assert.deepEqual(await second.ended(), ["-ERR 'User Authentication Expired'"])
    assert.deepEqual(await answerTo(BOTH, A.prove, brief), [REFUSED, 'UnknownKey'])
  })

  test('lives 40 to 55 seconds, not all as long', async () => {
    gate.verdicts.length = 0
    const raws = await Promise.all(Array.from({ length: 20 }, () => connect(BOTH, B.prove)))
    for (const raw of raws) raw.close()
    const seconds = gate.verdicts.map((verdict) => (verdict.kind === 'Admitted' ? verdict.seconds : 0))
    assert.ok(seconds.every((each) => each >= 40 && each <= 55))
    assert.ok(new Set(seconds).size > 1)
  })

  test('of one key may be there twice, but a key that opens 64 within a minute waits', async () => {
    const site = newSite()
    gate.jobs.set('busy', jobOf('busy', 'busy', [], { [site.publicKey]: 'h' }))
    const raws = await Promise.all(Array.from({ length: 64 }, () => connect(listOf('busy'), site.prove)))
    assert.ok(raws.every(({ first }) => first.length === 0))
    assert.deepEqual(await answerTo(listOf('busy'), site.prove), [REFUSED, 'TooManyConnections'])
    for (const raw of raws) raw.close()
    assert.deepEqual(await answerTo(listOf('job-run-1'), A.prove), [[], 'Admitted'])
  })
})
