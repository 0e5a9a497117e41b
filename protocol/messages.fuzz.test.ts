// Messages of both directions, of every kind: correct ones with foreign values in any field, and bytes that are no message. A reader
// returns a message that it can send again, or undefined; it never throws.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { encodeJson } from './canonical.ts'
import {
  readAnswerFrame,
  readGrantAnswer,
  readNextAnswer,
  readRequest,
  readRequestFrame,
} from './messages.ts'

const DIGEST = 'a'.repeat(64)
const AT = { round: 1, attempt: 2, epoch: 3 }
const NEXT = {
  kind: 'next',
  version: 2,
  client: 'a',
  incarnation: 'i',
  token: 't',
  ignored: 0,
  dataset: 'd',
  backend: 'b',
}
const GRANT = { kind: 'grant', client: 'a', incarnation: 'i' }
const PAYLOAD = { key: 'k', size: 1, sha256: DIGEST, blocks: [DIGEST] }
const TASK = { kind: 'Train', ...AT, base: PAYLOAD, evaluate: true, config: { a: 'b' }, seed: DIGEST }

/** One correct message of each kind, in each of its forms. */
const MESSAGES: readonly object[] = [
  ...[
    { state: 'Idle' },
    { state: 'Preparing', message: 'm' },
    { state: 'Declined', message: 'm' },
    { state: 'Working', ...AT },
    { state: 'Left', ...AT },
    { state: 'Failed', ...AT, code: 'c', message: 'm' },
    { state: 'Leaving' },
  ].map((have) => ({ ...NEXT, have, progress: { done: 1, total: 2, message: '' } })),
  ...[
    { kind: 'Read', key: 'k' },
    { kind: 'Write', key: 'k', size: 1, sha256: DIGEST },
    { kind: 'Part', key: 'k', upload: 'u', number: 1, size: 1, sha256: DIGEST },
    { kind: 'OpenUpload', key: 'k' },
    { kind: 'CompleteUpload', key: 'k', upload: 'u', parts: 1 },
  ].map((want) => ({ ...GRANT, wants: [want] })),
  { kind: 'task', epoch: 1, task: TASK },
  { kind: 'wait', version: 2, epoch: 1, reason: '' },
  { kind: 'cancel', ...AT, reason: '' },
  { kind: 'refused', epoch: 1, reason: '' },
  { kind: 'finished', epoch: 1, reason: '' },
  ...[
    { kind: 'Grant', grant: { method: 'PUT', url: 'https://host/k', headers: { a: 'b' } } },
    {
      kind: 'Grant',
      grant: { method: 'GET', url: 'https://host/k', headers: {} },
      object: { size: 1, sha256: DIGEST },
    },
    { kind: 'Upload', upload: 'u', parts: [{ number: 1, size: 1 }] },
    { kind: 'Completed', written: 'Created' },
    { kind: 'Refused', reason: '' },
  ].map((granted) => ({ kind: 'granted', epoch: 1, granted: [granted] })),
]

const foreign = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('__proto__', 'constructor', 'next', 'Idle', -1, 0.5, 1e300, DIGEST),
  fc.nat(3000).map((length) => 'x'.repeat(length)),
)
/** A message with foreign values in some of its fields, at any depth. */
const changed = fc
  .tuple(fc.constantFrom(...MESSAGES), fc.array(fc.tuple(fc.nat(), foreign), { maxLength: 3 }))
  .map(([message, changes]) => {
    const copy = structuredClone(message) as Record<string, unknown>
    for (const [at, value] of changes) {
      const places = placesOf(copy)
      const { holder, name } = places[at % places.length]!
      holder[name] = value
    }
    return encodeJson(copy)
  })

interface Place {
  readonly holder: Record<string, unknown>
  readonly name: string
}

function placesOf(holder: Record<string, unknown>): Place[] {
  return Object.entries(holder).flatMap(([name, value]) => {
    const inside =
      typeof value === 'object' && value !== null ? placesOf(value as Record<string, unknown>) : []
    return [{ holder, name }, ...inside]
  })
}

const bytes = fc.oneof({ weight: 8, arbitrary: changed }, fc.uint8Array({ maxLength: 100 }))
const MOST = 2 ** 20
const long = (begin: string, part: string): Uint8Array =>
  new TextEncoder().encode(begin + part.repeat((MOST - begin.length) / part.length))
const examples = [
  ...MESSAGES.map(encodeJson),
  long('', '['),
  long('', '{"kind":'),
  long('{"kind":"next","client":"', 'x'),
  long('{"kind":"grant","wants":[', '{"kind":"Read","key":"k"},'),
]

for (const [what, read] of [
  ['requests', readRequest],
  ['answers to next', readNextAnswer],
  ['answers to grant', readGrantAnswer],
  ['frames of requests', readRequestFrame],
  ['frames of answers', readAnswerFrame],
] as const) {
  fuzz(what, {
    input: bytes,
    read(body) {
      const message = read(body)
      if (message !== undefined) assert.deepEqual(read(encodeJson(message)), message)
    },
    examples,
  })
}
