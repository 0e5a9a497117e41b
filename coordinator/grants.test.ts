// Which transfers a client is granted: one row a rule.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { attemptKeys, baseKey, RUN_KEY } from '#protocol/keys.ts'
import type { Granted, Want } from '#protocol/messages.ts'
import { createMemoryStore } from '#transport/memory.ts'
import type { OpenAttempt } from './attempt.ts'
import type { RunContext } from './context.ts'
import { answerGrants } from './grants.ts'

const SHA = 'a'.repeat(64)
const UPLOAD = '0123456789abcdef'
const KEYS = attemptKeys(2, 1)
const BASE = attemptKeys(1, 1).model

/** A context whose round 2, attempt 1 is open for `a` (still at work) and `done` (settled). */
function contextOf(open = true) {
  const store = createMemoryStore()
  const plan = { value: { round: 2, attempt: 1, base: { round: 1, payload: { key: BASE, size: 100 } } } }
  const uploads = new Map<string, string>()
  const attempt = { plan, uploads, isPending: (client: string) => client === 'a' } as unknown as OpenAttempt
  const context = {
    book: { store, epoch: 1, run: { value: { base: null } } },
    live: () => ({ members: ['a', 'b', 'done'].map((name) => ({ name, train: true })) }),
    pace: { grantSeconds: 60 },
    floor: { attempt: open ? attempt : null, sentBytes: 0 },
  } as unknown as RunContext
  return { store, context, uploads }
}

async function ask(context: RunContext, want: Want, client = 'a'): Promise<Granted> {
  const answer = (await answerGrants(context, {
    kind: 'grant',
    client,
    incarnation: 'i',
    token: '',
    wants: [want],
  })) as {
    granted: Granted[]
  }
  return answer.granted[0]!
}

const write = (key: string, size = 10): Want => ({ kind: 'Write', key, size, sha256: SHA })

describe('a client is granted', () => {
  for (const [what, want] of [
    ["the attempt's model to read", { kind: 'Read', key: BASE }],
    ['what the run is to read', { kind: 'Read', key: RUN_KEY }],
    ['the base checkpoint to read', { kind: 'Read', key: baseKey(SHA, 'model.safetensors') }],
    ['its payload to write', write(KEYS.payload('a', UPLOAD))],
    ['its receipt to write', write(KEYS.receipt('a'))],
  ] as const) {
    test(what, async () => assert.equal((await ask(contextOf().context, want)).kind, 'Grant'))
  }
})

describe('a client is refused', () => {
  const cases: readonly [string, Want, RegExp, string?][] = [
    ['a key that is none', { kind: 'Read', key: 'coordinators/1.json' }, /not a key/],
    ['a model of another round', { kind: 'Read', key: attemptKeys(0, 1).model }, /not for a to read/],
    ["another's update", { kind: 'Read', key: KEYS.payload('b', UPLOAD) }, /not for a to read/],
    ['what is not of its job', { kind: 'Read', key: RUN_KEY }, /no partition gone/, 'gone'],
    ['to write a model', write(KEYS.model), /not for clients to write/],
    ["to write another's receipt", write(KEYS.receipt('b')), /belongs to b/],
    ['to write into another attempt', write(attemptKeys(2, 2).receipt('a')), /attempt 2 is not open/],
    ['to write into another round', write(attemptKeys(1, 1).receipt('a')), /round 1, attempt 1 is not open/],
    ['a receipt of any length', write(KEYS.receipt('a'), 2 ** 30), /at most/],
    ['a receipt in parts', { kind: 'OpenUpload', key: KEYS.receipt('a') }, /a receipt/],
    ['to write once it is done', write(KEYS.receipt('done')), /no open part/, 'done'],
  ]
  for (const [what, want, reason, client] of cases) {
    test(what, async () => {
      const granted = await ask(contextOf().context, want, client)
      assert.equal(granted.kind, 'Refused')
      assert.match((granted as { reason: string }).reason, reason)
    })
  }

  test('everything but the base while no attempt is open', async () => {
    const { context } = contextOf(false)
    assert.equal((await ask(context, { kind: 'Read', key: BASE })).kind, 'Refused')
    assert.equal((await ask(context, write(KEYS.receipt('a')))).kind, 'Refused')
    assert.equal((await ask(context, { kind: 'Read', key: baseKey(SHA, 'config.json') })).kind, 'Grant')
  })
})

describe('an upload in parts', () => {
  const key = KEYS.payload('a', UPLOAD)

  test('is known as open until it is completed, so that it can be given up with the attempt', async () => {
    const { context, uploads } = contextOf()
    const opened = await ask(context, { kind: 'OpenUpload', key })
    assert.equal(opened.kind, 'Upload')
    const { upload } = opened as { upload: string }
    assert.deepEqual([...uploads], [[upload, key]])
    const completed = await ask(context, { kind: 'CompleteUpload', key, upload })
    assert.deepEqual(completed, { kind: 'Completed', written: 'Created' })
    assert.equal(uploads.size, 0)
    const again = await ask(context, { kind: 'CompleteUpload', key, upload })
    assert.deepEqual(again, { kind: 'Completed', written: 'Exists' }, 'the first answer was lost')
  })

  test('that nobody knows is refused, not left without an answer', async () => {
    const granted = await ask(contextOf().context, {
      kind: 'CompleteUpload',
      key,
      upload: crypto.randomUUID(),
    })
    assert.equal(granted.kind, 'Refused')
  })
})
