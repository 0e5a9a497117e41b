import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openScreen } from './screen.ts'

const recorder = (isTTY: boolean) => {
  const written: string[] = []
  return { written, isTTY, columns: 12, write: (text: string) => written.push(text) }
}

test('a pipe receives only the permanent lines', () => {
  const output = recorder(false)
  const screen = openScreen(output, recorder(false))
  screen.live('working')
  screen.say('one')
  screen.live('')
  screen.say('two')
  assert.equal(output.written.join(''), 'one\ntwo\n')
})

test('a terminal keeps the live line below the permanent lines, cut to its width', () => {
  const output = recorder(true)
  const errors = recorder(true)
  const screen = openScreen(output, errors)
  screen.live('a rather long line')
  screen.say('one')
  screen.note('a log')
  screen.live('')
  assert.deepEqual(output.written, [
    'a rather lo',
    '\r\x1b[Kone\n',
    'a rather lo',
    '\r\x1b[K',
    'a rather lo',
    '\r\x1b[K',
  ])
  assert.deepEqual(errors.written, ['a log\n'])
})
