// Subjects and patterns of the bus as a stranger sends them. A subject that is accepted has no wildcard and covers itself.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { checkPattern, checkSubject, covers } from './subject.ts'

const token = fc.oneof(fc.constantFrom('*', '>', '', 'a', 'fedsam', ' ', '\n'), fc.string({ maxLength: 10 }))
const subject = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join('.'))

fuzz('subjects of the bus', {
  input: fc.tuple(subject, subject),
  read([pattern = '', name = '']) {
    checkSubject(name)
    assert.ok(covers(name, name))
    assert.doesNotMatch(name, /[\s*>]/)
    checkPattern(pattern)
    covers(pattern, name)
  },
  errors: [TypeError],
  examples: [
    ['*.'.repeat(50_000), 'a.'.repeat(50_000)],
    ['>', `${'a'.repeat(2 ** 20)}.`],
    ['>', 'a.'.repeat(2 ** 19)],
  ],
})
