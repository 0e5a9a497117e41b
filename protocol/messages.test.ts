import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from './canonical.ts'
import {
  clientInbox,
  clientPlace,
  clientSubject,
  readAnswerFrame,
  readGrantAnswer,
  readNextAnswer,
  readRequest,
  readRequestFrame,
  subjectPrefix,
} from './messages.ts'
import { CONVERSATION } from './version.ts'

const NEXT = {
  kind: 'next',
  client: 'a',
  incarnation: 'i',
  ignored: 0,
  dataset: 'd',
  backend: 'b',
  have: { state: 'Idle' },
  progress: null,
}
const GRANT = { kind: 'grant', client: 'a', incarnation: 'i', wants: [{ kind: 'Read', key: 'k' }] }

describe('requests', () => {
  test('are read as they were written', () => {
    for (const request of [
      NEXT,
      { ...NEXT, have: { state: 'Leaving' } },
      {
        ...NEXT,
        have: { state: 'Working', round: 1, attempt: 2, epoch: 3 },
        progress: { done: 1, total: 2, message: '' },
      },
      { ...NEXT, have: { state: 'Preparing', message: 'fetching the base checkpoint' } },
      { ...NEXT, have: { state: 'Declined', message: 'the site allows 10 rounds' } },
      GRANT,
    ]) {
      assert.deepEqual(readRequest(encodeJson(request)), request)
    }
  })

  const bad: readonly [string, unknown][] = [
    ['no kind of ours', { ...NEXT, kind: 'other' }],
    ['a state of no kind', { ...NEXT, have: { state: 'Asleep' } }],
    ['a state without its round', { ...NEXT, have: { state: 'Left', attempt: 1, epoch: 1 } }],
    ['half a round', { ...NEXT, have: { state: 'Left', round: 1.5, attempt: 1, epoch: 1 } }],
    ['a very long text', { ...NEXT, backend: 'x'.repeat(3000) }],
    ['a thousand wants', { ...GRANT, wants: Array(1000).fill(GRANT.wants[0]) }],
    ['a digest of three letters', { ...GRANT, wants: [{ kind: 'Write', key: 'k', size: 1, sha256: 'abc' }] }],
    ['a negative size', { ...GRANT, wants: [{ kind: 'Write', key: 'k', size: -1, sha256: 'a'.repeat(64) }] }],
    ['no object', 'next'],
  ]
  for (const [what, body] of bad) {
    test(`with ${what} are no request`, () => assert.equal(readRequest(encodeJson(body)), undefined))
  }

  const long: readonly [string, string][] = [
    ['nested deep', '['.repeat(100_000)],
    ['of many values', `[${'0,'.repeat(100_000)}0]`],
    ['longer than any request', JSON.stringify({ ...NEXT, other: 'x'.repeat(2 ** 20) })],
    ['of a stranger whose name no partition can have', JSON.stringify({ ...NEXT, client: 'x'.repeat(64) })],
    ['with a number that is not exact', JSON.stringify({ ...NEXT, ignored: 2 ** 60 })],
  ]
  for (const [what, text] of long) {
    test(`${what} are no request`, () => assert.equal(readRequest(new TextEncoder().encode(text)), undefined))
  }

  test('of 64 wants with the longest keys and uploads are read', () => {
    const want = { kind: 'CompleteUpload', key: 'k'.repeat(900), upload: 'u'.repeat(1024), parts: 3 }
    const request = { ...GRANT, wants: Array(64).fill(want) }
    assert.deepEqual(readRequest(encodeJson(request)), request)
  })

  test('that are not JSON are refused', () => {
    assert.equal(readRequest(Uint8Array.of(1, 2, 3)), undefined)
    assert.equal(readNextAnswer(new Uint8Array(0)), undefined)
    assert.equal(readGrantAnswer(new TextEncoder().encode('{}')), undefined)
  })
})

test('answers with the blocks of a base of 60 GB, and with 8,000 parts, are read', () => {
  const blocks = Array.from({ length: 15_000 }, (_, i) => i.toString(16).padStart(64, '0'))
  const base = { key: 'k', size: 1, sha256: 'a'.repeat(64), blocks }
  const task = {
    kind: 'Train',
    round: 1,
    attempt: 1,
    epoch: 1,
    base,
    evaluate: true,
    config: {},
    seed: 'b'.repeat(64),
  }
  const answer = { kind: 'task', epoch: 1, task }
  assert.deepEqual(readNextAnswer(encodeJson(answer)), answer)
  const parts = Array.from({ length: 8000 }, (_, i) => ({
    number: i + 1,
    size: 16_777_216,
    sha256: 'c'.repeat(64),
  }))
  const granted = { kind: 'granted', epoch: 1, granted: [{ kind: 'Upload', upload: 'u', parts }] }
  assert.deepEqual(readGrantAnswer(encodeJson(granted)), granted)
})

test('a task carries every name of its configuration, and text alone', () => {
  const digest = 'b'.repeat(64)
  const task = { kind: 'Train', round: 1, attempt: 1, epoch: 1, base: null, evaluate: true, seed: digest }
  const read = (config: string) =>
    readNextAnswer(
      new TextEncoder().encode(
        `{"epoch":1,"kind":"task","task":${JSON.stringify(task).slice(0, -1)},"config":${config}}}`,
      ),
    )
  const names = '{"__proto__":"a","constructor":"b","prototype":"c","toString":"d"}'
  const answer = read(names)
  assert.ok(answer?.kind === 'task')
  assert.equal(JSON.stringify(answer.task.config), names)
  for (const config of ['{"a":1}', '{"a":null}', '{"a":["b"]}', '["a"]', '"a"', 'null'])
    assert.equal(read(config), undefined, config)
})

test('subjects carry the job and the client', () => {
  const prefix = subjectPrefix('team', 'uid')
  assert.equal(clientSubject(prefix, 'a'), 'fedsam.team.uid.a.ask')
  assert.equal(clientInbox(prefix, 'a'), 'fedsam.team.uid.a.inbox')
})

test('a client is read from its subject, and from nothing that only looks like one', () => {
  const place = { namespace: 'team', uid: '5e1c2c1e-7f0e-4b44-9a57-0b8a8a1f6f1d', client: 'hospital-a' }
  const subject = clientSubject(subjectPrefix(place.namespace, place.uid), place.client)
  assert.deepEqual(clientPlace(subject), place)
  const others = [
    '',
    'fedsam.team.uid.a.inbox.>',
    'fedsam.team.uid.*.ask',
    'fedsam.*.uid.a.ask',
    'fedsam.team.>.a.ask',
    'fedsam.team.uid.a.b.ask',
    'fedsam.team.uid.ask',
    'fedsam.team..a.ask',
    'fedsam.team.uid.a.ask\n',
    'fedsam.team.../../x.a.ask',
    'other.team.uid.a.ask',
    `fedsam.team.${'u'.repeat(200)}.a.ask`,
    '$SYS.REQ.USER.INFO',
  ]
  for (const other of others) assert.equal(clientPlace(other), undefined, other)
})

test('a grant to read run.json carries its digest, and only a digest', () => {
  const grant = { method: 'GET', url: 'https://host/k', headers: {} }
  const granted = (object: unknown) => ({
    kind: 'granted',
    epoch: 1,
    granted: [{ kind: 'Grant', grant, object }],
  })
  const right = granted({ size: 3, sha256: 'c'.repeat(64) })
  assert.deepEqual(readGrantAnswer(encodeJson(right)), right)
  assert.equal(readGrantAnswer(encodeJson(granted({ size: 3, sha256: 'abc' }))), undefined)
})

/** The value with a field that nobody knows in each object of it. */
function withUnknown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withUnknown)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, field]) => [
    name,
    isMap(name) ? field : withUnknown(field),
  ])
  return { ...Object.fromEntries(fields), 'a later field': { of: ['any', 'kind'] } }
}
/** Maps of the user's own names: every name in them is known. */
const isMap = (name: string): boolean => name === 'config' || name === 'headers'

describe('a message of a later version', () => {
  const DIGEST = 'a'.repeat(64)
  const AT = { round: 1, attempt: 1, epoch: 1 }
  const BASE = { key: 'k', size: 1, sha256: DIGEST, blocks: [DIGEST] }
  const TASK = { kind: 'Train', ...AT, base: BASE, evaluate: true, config: { a: 'b' }, seed: DIGEST }
  const GRANT_OF = { method: 'PUT', url: 'https://host/k', headers: { a: 'b' } }
  const CASES: readonly (readonly [(body: Uint8Array) => unknown, readonly object[]])[] = [
    [readRequest, [NEXT, { ...NEXT, have: { state: 'Working', ...AT } }, GRANT]],
    [
      readNextAnswer,
      [
        { kind: 'task', epoch: 1, task: TASK },
        ...['wait', 'refused', 'finished'].map((kind) => ({ kind, epoch: 1, reason: '' })),
        { kind: 'cancel', ...AT, reason: '' },
      ],
    ],
    [
      readGrantAnswer,
      [
        { kind: 'Grant', grant: GRANT_OF, object: { size: 1, sha256: DIGEST } },
        { kind: 'Upload', upload: 'u', parts: [{ number: 1, size: 1 }] },
        { kind: 'Completed', written: 'Created' },
        { kind: 'Refused', reason: '' },
      ].map((granted) => ({ kind: 'granted', epoch: 1, granted: [granted] })),
    ],
  ]

  test('may have more fields in every object: they are ignored', () => {
    for (const [read, messages] of CASES)
      for (const message of messages) {
        const later = { ...message, version: CONVERSATION + 1 }
        assert.deepEqual(read(encodeJson(withUnknown(later))), later)
      }
  })

  test('names its version and its sender in a form that every version reads, whatever else it holds', () => {
    const frame = { kind: 'sync', version: 9, client: 'a', incarnation: 'i' }
    assert.deepEqual(readRequestFrame(encodeJson({ ...frame, have: 7 })), frame)
    assert.deepEqual(readAnswerFrame(encodeJson({ kind: 'sync', version: 9, epoch: 3 })), {
      version: 9,
      epoch: 3,
    })
    for (const version of ['9', -1, 1.5, null])
      assert.equal(readRequestFrame(encodeJson({ ...frame, version })), undefined)
  })
})
