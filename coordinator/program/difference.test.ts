// The comparison of what a program asks with what it asked before: by client and number, in any order of clients.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareAsk, countedWith, type NumberedMessage, numbered } from './difference.ts'

const content = (digit: string) => ({ size: 1, sha256: digit.repeat(64), blocks: [] })
const message = (client: string, number: number, more: Partial<NumberedMessage> = {}): NumberedMessage => ({
  ...{ client, number, kind: 'train', group: '1', content: content('a') },
  ...more,
})
const RECORDED = {
  exchange: 2,
  messages: [message('a', 1), message('b', 1), message('b', 2, { kind: 'query' })],
}

test('the same messages in another order of clients have the places of the record', () => {
  const [a, b, query] = RECORDED.messages
  assert.deepEqual(compareAsk(RECORDED, [b!, query!, a!]), { kind: 'Same', places: [1, 2, 0] })
})

test('whatever differs is named', () => {
  const [a, b, query] = RECORDED.messages
  const cases: readonly (readonly [NumberedMessage[], RegExp])[] = [
    [
      [a!, b!, { ...query!, kind: 'train' }],
      /^exchange 2, message 2 to b: its kind was "query" and is "train"$/,
    ],
    [[{ ...a!, group: '3' }, b!, query!], /message 1 to a: its group was "1" and is "3"/],
    [[a!, b!, query!, message('c', 0)], /message 0 to c: the record has no such message/],
    [[a!, b!], /message 2 to b: the program sent no such message now/],
  ]
  for (const [asked, says] of cases) {
    const found = compareAsk(RECORDED, asked)
    assert.ok(found.kind === 'Different')
    assert.match(found.sentence, says)
  }
})

test('other contents of the same messages are named by their places in the list', () => {
  const [a, b, query] = RECORDED.messages
  assert.deepEqual(
    compareAsk(RECORDED, [query!, { ...b!, content: content('c') }, { ...a!, content: content('d') }]),
    {
      kind: 'Contents',
      places: [2, 1, 0],
      differing: [1, 2],
      sentence: `exchange 2, message 1 to b: its content had 1 bytes with SHA-256 ${'a'.repeat(64)} and has 1 with ${'c'.repeat(64)}`,
    },
  )
  const other = compareAsk(RECORDED, [{ ...a!, content: content('c') }, b!, { ...query!, group: '9' }])
  assert.equal(other.kind, 'Different', 'a word that differs counts first')
})

test('messages are numbered at each client, over all exchanges', () => {
  const first = [{ client: 'a' }, { client: 'b' }, { client: 'a' }]
  const numbers = (list: readonly { number: number }[]) => list.map(({ number }) => number)
  assert.deepEqual(numbers(numbered(first, new Map())), [0, 0, 1])
  assert.deepEqual(numbers(numbered(first, countedWith(new Map(), first))), [2, 1, 3])
})
