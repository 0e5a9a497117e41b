// Lines of a program: calls and notes, also as Python writes them; every other line is its log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countedMetrics, readMessages, readProgramLine } from './seam.ts'

test('calls, with what they may leave out', () => {
  assert.deepEqual(readProgramLine('{"id":1,"call":"clients"}'), {
    kind: 'Call',
    call: { id: 1, call: 'clients' },
  })
  assert.deepEqual(readProgramLine('{"id": 2, "call": "exchange", "messages": "/m"}'), {
    kind: 'Call',
    call: { id: 2, call: 'exchange', messages: '/m', timeout: null, difference: null },
  })
  assert.deepEqual(readProgramLine('{"call":"result","id":3}'), {
    kind: 'Call',
    call: { id: 3, call: 'result', model: null, metrics: null, files: [] },
  })
})

test('a number that JSON lacks costs its metric alone', () => {
  const line = readProgramLine('{"id": 3, "call": "result", "metrics": {"loss": NaN, "dice": 0.5}}')
  assert.ok(line?.kind === 'Call' && line.call.call === 'result')
  const dropped: string[] = []
  assert.deepEqual(
    countedMetrics(line.call, (sentence) => dropped.push(sentence)),
    { dice: 0.5 },
  )
  assert.match(dropped.join(), /"loss": "NaN" is not a finite number/)
})

test('notes', () => {
  assert.deepEqual(readProgramLine('{"type":"round","round":2}'), {
    kind: 'Note',
    note: { type: 'round', round: 2, of: null },
  })
  assert.deepEqual(readProgramLine('{"type":"error","code":"X","message":"no"}'), {
    kind: 'Note',
    note: { type: 'error', id: null, message: 'no', remedy: null },
  })
})

test('a line that begins as ours and is not is no line of the log', () => {
  const why = (line: string): string | undefined => {
    const found = readProgramLine(line)
    return found?.kind === 'Unreadable' ? found.why : undefined
  }
  assert.match(why('{"id":1,"call":"exchange","messages":5}')!, /^messages: /)
  assert.match(why('{"id":1,"call":"fold"}')!, /^call: /)
  assert.equal(why('{"id":1,"call":"clients"'), 'it is not JSON')
  for (const line of ['', 'epoch 1', '{"loss": 0.1}', '{"type":"log"}', '["id",1]'])
    assert.equal(readProgramLine(line), undefined)
})

test('a list of messages names the field at fault', () => {
  const read = (text: string) => readMessages(new TextEncoder().encode(text))
  assert.deepEqual(read('{"messages":[{"client":"a","kind":"train","content":"/c"}]}'), [
    { client: 'a', kind: 'train', group: '', content: '/c' },
  ])
  assert.throws(
    () => read('{"messages":[{"client":"../a","kind":"train","content":"/c"}]}'),
    /messages\.0\.client/,
  )
  assert.throws(() => read('nothing'), { name: 'WrongCall' })
})
