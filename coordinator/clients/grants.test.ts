// Which transfers a client is granted: one row for each rule.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KeptState, StatePlace } from '#protocol/client-state.ts'
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys, baseKey, MAX_UPLOADS, pieceKey, probeKey, RUN_KEY, uploadName } from '#protocol/keys.ts'
import { type Granted, PIECE_BYTES, type Want } from '#protocol/messages.ts'
import { PROBE, probeBody } from '#protocol/probe.ts'
import { createNotifier } from '#runtime/notifier.ts'
import { createMemoryStore, type MemoryStore } from '#test/given/memory-store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore, SiteGrants } from '#transport/ports.ts'
import { createAttemptUploads } from './attempt-uploads.ts'
import { createCurrentAttempt, type ServedAttempt } from './current-attempt.ts'
import { answerGrants, type GrantsContext } from './grants.ts'

const SHA = 'a'.repeat(64)
const UPLOAD = uploadName(1)
const KEYS = attemptKeys(2, 1)
const BASE = attemptKeys(1, 1).model

/** The last state of `a`, of an earlier round. */
const LAST = { client: 'a', key: attemptKeys(1, 1).clientState('a', UPLOAD) } as KeptState

/** A context whose round 2, attempt 1 is open for `a` (still at work) and `done` (settled). */
function contextOf({
  open = true,
  store = createMemoryStore() as ObjectStore,
  takenOver = false,
  size = 100,
  grantSeconds = 60,
  site = '',
  place = 'Record' as StatePlace,
} = {}) {
  const base = { round: 1, payload: { key: BASE, size } }
  const plan = { value: { round: 2, attempt: 1, base, cohort: ['a', 'b', 'done'] } }
  const uploads = createAttemptUploads(store, takenOver)
  const isPending = (client: string): boolean => client === 'a' || client === 'onlooker'
  const states = { rule: { place, maxBytes: 50 }, last: [LAST] }
  const attempt = { plan, uploads, until: 1000, isPending, states } as unknown as ServedAttempt
  const current = createCurrentAttempt(createNotifier())
  if (open) current.open(attempt)
  const time = { now: 0 }
  const probes: [string, number][] = []
  const context = {
    markers: { store, epoch: 1, run: { value: { base: null }, digest: SHA } },
    live: () => ({
      members: ['a', 'b', 'done', 'onlooker'].map((name) => ({
        name,
        train: true,
        ...(name === site ? { publicKey: SHA } : {}),
      })),
    }),
    pace: { grantSeconds },
    clock: { now: () => time.now },
    leftovers: { noteProbe: (client: string, until: number) => void probes.push([client, until]) },
    current,
  } as unknown as GrantsContext
  return { store, context, current, uploads, time, probes }
}

async function ask(context: GrantsContext, want: Want, client = 'a'): Promise<Granted> {
  const answer = (await answerGrants(context, {
    kind: 'grant',
    client,
    incarnation: 'i',
    wants: [want],
  })) as {
    granted: Granted[]
  }
  return answer.granted[0]!
}

const partOf = (number: number, size: number): Want => ({
  kind: 'Part',
  key: KEYS.payload('a', UPLOAD),
  upload: 'u',
  number,
  size,
  sha256: SHA,
})
const write = (key: string, size = 10): Want => ({ kind: 'Write', key, size, sha256: SHA })

describe('a client is granted', () => {
  for (const [what, want] of [
    ["the attempt's model to read", { kind: 'Read', key: BASE }],
    ['run.json to read', { kind: 'Read', key: RUN_KEY }],
    ['the base checkpoint to read', { kind: 'Read', key: baseKey(SHA, 'model.safetensors') }],
    ['its payload to write', write(KEYS.payload('a', UPLOAD))],
    ['its receipt to write', write(KEYS.receipt('a'))],
    ['its last state to read', { kind: 'Read', key: LAST.key! }],
    ['its next state to write', write(KEYS.clientState('a', UPLOAD), 50)],
    ['a piece of it', write(pieceKey(KEYS.clientState('a', UPLOAD), 0), 50)],
  ] as const) {
    test(what, async () => assert.equal((await ask(contextOf().context, want)).kind, 'Grant'))
  }
})

test('a client that only evaluates may write a state, and nobody may where states stay at the clients', async () => {
  const own = write(KEYS.clientState('onlooker', UPLOAD))
  assert.equal((await ask(contextOf().context, own, 'onlooker')).kind, 'Grant')
  const refused = await ask(contextOf({ place: 'Local' }).context, own, 'onlooker')
  assert.ok(refused.kind === 'Refused')
  assert.match(refused.reason, /stays at the client/)
})

test('only the grant to read run.json says what its object is', async () => {
  const { context } = contextOf()
  const read = async (key: string) => (await ask(context, { kind: 'Read', key })) as { object?: object }
  assert.deepEqual((await read(RUN_KEY)).object, { size: '{"base":null}'.length, sha256: SHA })
  assert.ok(!('object' in (await read(BASE))))
})

describe('a client is refused', () => {
  const cases: readonly [string, Want, RegExp, string?][] = [
    ['a key that clients may not name', { kind: 'Read', key: 'coordinators/1.json' }, /not a key/],
    ['a model of another round', { kind: 'Read', key: attemptKeys(0, 1).model }, /a may not read rounds/],
    ["another's update", { kind: 'Read', key: KEYS.payload('b', UPLOAD) }, /a may not read rounds/],
    ['any key once its partition is gone', { kind: 'Read', key: RUN_KEY }, /no partition gone/, 'gone'],
    ["another's state", { kind: 'Read', key: LAST.key! }, /b may not read rounds/, 'b'],
    [
      'a state of its own that counts no more',
      { kind: 'Read', key: KEYS.clientState('a', UPLOAD) },
      /may not read/,
    ],
    ["to write another's state", write(KEYS.clientState('b', UPLOAD)), /belongs to b/],
    [
      'a byte of state above the bound',
      write(KEYS.clientState('a', UPLOAD), 51),
      /at most 50 bytes .* a asked for 51/,
    ],
    [
      'a state under a fourth name',
      write(KEYS.clientState('a', uploadName(MAX_UPLOADS + 1))),
      /not a name of a state/,
    ],
    [
      'a piece of state above the bound',
      write(pieceKey(KEYS.clientState('a', UPLOAD), 1)),
      /at most 50 bytes/,
    ],
    ['to write the map of states', write(KEYS.states), /not a key/],
    ['to write a model', write(KEYS.model), /clients may not write rounds/],
    ["to write another's receipt", write(KEYS.receipt('b')), /belongs to b/],
    ['to write into another attempt', write(attemptKeys(2, 2).receipt('a')), /attempt 2 is not open/],
    ['to write into another round', write(attemptKeys(1, 1).receipt('a')), /round 1, attempt 1 is not open/],
    ['a receipt of any length', write(KEYS.receipt('a'), 2 ** 30), /at most/],
    ['a receipt in parts', { kind: 'OpenUpload', key: KEYS.receipt('a') }, /a receipt/],
    ['a payload under a fourth name', write(KEYS.payload('a', uploadName(MAX_UPLOADS + 1))), /not a name/],
    ['a payload under a name that the client chose', write(KEYS.payload('a', 'f'.repeat(32))), /not a name/],
    ['a payload of 5 TB', write(KEYS.payload('a', UPLOAD), 5e12), /at most 1048776 bytes/],
    ['a byte above twice the model', write(KEYS.payload('a', UPLOAD), 1048777), /at most 1048776 bytes/],
    ["another's piece", write(pieceKey(KEYS.payload('b', UPLOAD), 0)), /belongs to b/],
    [
      'a piece of any length',
      write(pieceKey(KEYS.payload('a', UPLOAD), 0), PIECE_BYTES + 1),
      /a piece has at most/,
    ],
    [
      'a piece in parts',
      { kind: 'OpenUpload', key: pieceKey(KEYS.payload('a', UPLOAD), 0) },
      /a piece has at most/,
    ],
    [
      'a piece that is beyond the largest update',
      write(pieceKey(KEYS.payload('a', UPLOAD), 4), 201),
      /at most 1048776/,
    ],
    [
      'a piece of a fourth name',
      write(pieceKey(KEYS.payload('a', uploadName(MAX_UPLOADS + 1)), 0)),
      /not a name/,
    ],
    [
      'to join pieces to more than the largest update',
      { kind: 'Join', key: KEYS.payload('a', UPLOAD), size: 1048777, sha256: SHA },
      /at most 1048776/,
    ],
    [
      'to join pieces to a receipt',
      { kind: 'Join', key: KEYS.receipt('a'), size: 1, sha256: SHA },
      /a receipt/,
    ],
    ['a part that is beyond the largest update', partOf(2, 1), /at most 1048776 bytes/],
    ['a part of 5 GB', partOf(1, 5e9), /at most/],
    ['a part of an upload that is not open', partOf(1, 1), /no open upload/],
    [
      'to write an update where it only evaluates',
      write(KEYS.payload('onlooker', UPLOAD)),
      /does not train/,
      'onlooker',
    ],
    ['to write once it is done', write(KEYS.receipt('done')), /no longer waits for done/, 'done'],
  ]
  for (const [what, want, reason, client] of cases) {
    test(what, async () => {
      const granted = await ask(contextOf().context, want, client)
      assert.equal(granted.kind, 'Refused')
      assert.match((granted as { reason: string }).reason, reason)
    })
  }

  test('everything but the base while no attempt is open', async () => {
    const { context } = contextOf({ open: false })
    assert.equal((await ask(context, { kind: 'Read', key: BASE })).kind, 'Refused')
    assert.equal((await ask(context, write(KEYS.receipt('a')))).kind, 'Refused')
    assert.equal((await ask(context, { kind: 'Read', key: baseKey(SHA, 'config.json') })).kind, 'Grant')
  })
})

describe('an upload in parts', () => {
  const key = KEYS.payload('a', UPLOAD)
  /** Bytes of a model whose updates have several parts. */
  const LARGE = 2 ** 26
  type Upload = Extract<Granted, { kind: 'Upload' }>

  async function sendPart(context: GrantsContext, store: ObjectStore, upload: string, number: number) {
    const body = new Uint8Array([number])
    const want: Want = { kind: 'Part', key, upload, number, size: 1, sha256: sha256(body) }
    const { grant } = (await ask(context, want)) as Extract<Granted, { kind: 'Grant' }>
    await createGrantedTransfers({ memory: store as MemoryStore }).write(grant, body)
  }

  test('is open once, although three requests open it, and the answer names the parts that arrived', async () => {
    const { context, store, uploads } = contextOf()
    const opened = (await Promise.all(
      [1, 2, 3].map(() => ask(context, { kind: 'OpenUpload', key })),
    )) as Upload[]
    const [{ upload }] = opened as [Upload, ...Upload[]]
    assert.deepEqual(new Set(opened.map((one) => one.upload)), new Set([upload]))
    assert.equal((await store.openUploads(key)).length, 1)
    await sendPart(context, store, upload, 1)
    assert.deepEqual(await ask(context, { kind: 'OpenUpload', key }), {
      kind: 'Upload',
      upload,
      parts: [{ number: 1, size: 1, sha256: sha256(new Uint8Array([1])) }],
    })
    assert.deepEqual([...uploads.open], [[key, upload]])
  })

  test('is found in the store by a coordinator that takes over; a second upload of the same payload is aborted', async () => {
    const store = createMemoryStore()
    const before = contextOf({ store, size: LARGE })
    const { upload } = (await ask(before.context, { kind: 'OpenUpload', key })) as Upload
    await sendPart(before.context, store, upload, 1)
    await store.openUpload(key)
    const { context } = contextOf({ store, takenOver: true, size: LARGE })
    await sendPart(context, store, upload, 2)
    const again = (await ask(context, { kind: 'OpenUpload', key })) as Upload
    assert.equal(again.upload, upload)
    assert.deepEqual(
      again.parts.map(({ number }) => number),
      [1, 2],
    )
    assert.equal((await store.openUploads(key)).length, 1)
  })

  test('is completed with the parts that the payload has; a repeated request has an answer too', async () => {
    const { context, store, uploads } = contextOf({ size: LARGE })
    const { upload } = (await ask(context, { kind: 'OpenUpload', key })) as Upload
    for (const number of [1, 2, 3]) await sendPart(context, store, upload, number)
    const complete = { kind: 'CompleteUpload', key, upload, parts: 2 } as const
    assert.deepEqual(await ask(context, complete), { kind: 'Completed', written: 'Created' })
    assert.equal(await store.size(key), 2)
    assert.equal(uploads.open.size, 0)
    assert.deepEqual(await ask(context, complete), { kind: 'Completed', written: 'Exists' })
  })

  test('of a payload that is stored already is not opened, before and after a restart', async () => {
    const { context, store } = contextOf()
    const { upload } = (await ask(context, { kind: 'OpenUpload', key })) as Upload
    await ask(context, { kind: 'CompleteUpload', key, upload, parts: 1 })
    const restarted = contextOf({ store, takenOver: true, size: LARGE })
    for (const one of [context, restarted.context])
      assert.deepEqual(await ask(one, { kind: 'OpenUpload', key }), { kind: 'Completed', written: 'Exists' })
    assert.equal((await store.openUploads(key)).length, 0)
  })

  test('that does not exist is refused, and the client has an answer', async () => {
    const upload = crypto.randomUUID()
    const granted = await ask(contextOf().context, { kind: 'CompleteUpload', key, upload, parts: 1 })
    assert.equal(granted.kind, 'Refused')
  })
})

test('no grant is valid for longer than the attempt', async () => {
  const asked: number[] = []
  const memory = createMemoryStore()
  const store: ObjectStore = {
    ...memory,
    grantWrite(key, terms, seconds) {
      asked.push(seconds)
      return memory.grantWrite(key, terms, seconds)
    },
  }
  const { context, time, uploads } = contextOf({ store })
  for (const now of [0, 960, 2000]) {
    time.now = now
    await ask(context, write(KEYS.payload('a', UPLOAD)))
  }
  assert.deepEqual(asked, [60, 40, 1])
  assert.deepEqual([...uploads.granted], [[KEYS.payload('a', UPLOAD), 2001]])
})

test('granted bytes are counted for reads of models and checkpoint files, and each report takes them once', async () => {
  const { context, current } = contextOf({ size: 100 })
  await ask(context, { kind: 'Read', key: BASE })
  await ask(context, { kind: 'Read', key: BASE }, 'b')
  await ask(context, { kind: 'Read', key: RUN_KEY })
  assert.equal(current.takeGranted(), 200)
  assert.equal(current.takeGranted(), 0)
})

test("a site's grants are for the store's public name, and for 300 seconds at most; those of others are not", async () => {
  const asked: string[] = []
  const memory = createMemoryStore()
  const noting = (where: string): SiteGrants => ({
    grantRead: (key, seconds) => {
      asked.push(`${where} read ${seconds}`)
      return memory.grantRead(key, seconds)
    },
    grantWrite: (key, terms, seconds) => {
      asked.push(`${where} write ${seconds}`)
      return memory.grantWrite(key, terms, seconds)
    },
    grantPart: (key, upload, part, seconds) => {
      asked.push(`${where} part ${seconds}`)
      return memory.grantPart(key, upload, part, seconds)
    },
  })
  const store: ObjectStore = { ...memory, ...noting('inside'), forSites: noting('outside') }
  for (const site of ['a', 'b']) {
    const { context } = contextOf({ store, site, grantSeconds: 900 })
    const key = KEYS.payload('a', UPLOAD)
    await ask(context, { kind: 'Read', key: BASE })
    await ask(context, write(key))
    const opened = await ask(context, { kind: 'OpenUpload', key: KEYS.payload('a', uploadName(2)) })
    assert.ok(opened.kind === 'Upload')
    const part = { number: 1, size: 10, sha256: SHA } as const
    await ask(context, {
      kind: 'Part',
      key: KEYS.payload('a', uploadName(2)),
      upload: opened.upload,
      ...part,
    })
  }
  assert.deepEqual(asked, [
    ...['outside read 300', 'outside write 300', 'outside part 300'],
    ...['inside read 900', 'inside write 900', 'inside part 900'],
  ])
})

describe('the probe of a site', () => {
  const key = probeKey('a')
  const probe: Want = { kind: 'Write', key, ...PROBE }

  test('is its own to write and to read, also between attempts, and is noted for deletion', async () => {
    const { store, context, probes } = contextOf({ open: false, site: 'a', grantSeconds: 900 })
    const granted = await ask(context, probe)
    assert.ok(granted.kind === 'Grant')
    const transfers = createGrantedTransfers({ memory: store as MemoryStore })
    assert.equal(await transfers.write(granted.grant, probeBody()), 'Created')
    const read = await ask(context, { kind: 'Read', key })
    assert.ok(read.kind === 'Grant')
    assert.equal(sha256(await transfers.read(read.grant)), PROBE.sha256)
    assert.deepEqual(probes[0], ['a', 300])
  })

  test('is nobody else’s, has no other bytes, and ends with the run', async () => {
    const refusals: readonly [Want, string, RegExp][] = [
      [probe, 'b', /belongs to a/],
      [{ kind: 'Read', key }, 'b', /belongs to a/],
      [{ ...probe, sha256: SHA }, 'a', /the bytes of the probe/],
      [{ ...probe, size: 1 }, 'a', /the bytes of the probe/],
      [{ kind: 'OpenUpload', key }, 'a', /the bytes of the probe/],
      [{ kind: 'Part', key, upload: 'u', number: 1, ...PROBE }, 'a', /the bytes of the probe/],
    ]
    const { context, current, probes } = contextOf({ site: 'a' })
    for (const [want, client, reason] of refusals) {
      const granted = await ask(context, want, client)
      assert.match(granted.kind === 'Refused' ? granted.reason : granted.kind, reason)
    }
    const pod = await ask(contextOf().context, probe)
    assert.equal(pod.kind === 'Refused' && pod.reason, 'only a site has a probe')
    current.finish({ reason: 'over' })
    assert.equal((await ask(context, probe)).kind, 'Refused')
    assert.deepEqual(probes, [])
  })
})
