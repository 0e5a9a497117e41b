// The search for banned words: in any case, as whole words, and across line breaks of prose and comments.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bannedWords } from './banned-words.ts'

const linesOf = (text: string): number[] => bannedWords(text).map(({ line }) => line)

const found = [
  'The record LIES in a bucket.',
  'It begins Anew.',
  'Whoever asks, gets an answer.',
  'the client is told',
  'what are told',
  'It goes on with the next.',
  'it is reckoned',
  'a client that is heard of',
  'the rule stands',
]
for (const text of found) test(`found: ${text}`, () => assert.deepEqual(linesOf(text), [1]))

test('found across a line break, in prose and in each form of comment, with the line where it begins', () => {
  for (const mark of ['', '// ', ' * ', '# ', '> ']) {
    assert.deepEqual(linesOf(`${mark}first\n${mark}the worker is\n${mark}told to stop`), [2], `"${mark}"`)
  }
})

test('not found: parts of words, and words that only begin alike', () => {
  assert.deepEqual(linesOf('supplies, families, understands, a new one, standstill, isTold, this told'), [])
})

test('every banned word has a replacement', () => {
  for (const text of found) assert.notEqual(bannedWords(text)[0]!.instead, '')
})
