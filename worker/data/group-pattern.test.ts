// Groups of file stems: usual patterns, patterns that cannot be used, and patterns that would run without end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupStems } from './group-pattern.ts'

test('groups and their stems keep the order of the stems', () => {
  const groups = groupStems(['b-1', 'a-1', 'b-2'], '^([ab])-')
  assert.deepEqual(
    [...groups],
    [
      ['b', ['b-1', 'b-2']],
      ['a', ['a-1']],
    ],
  )
})

test('an unmatched stem, and a stem without the group, are named', () => {
  const stems = ['p1', 'q', ...Array.from({ length: 20 }, (_, i) => `r${i}`)]
  assert.throws(() => groupStems(stems, '^(?:(p)|q)'), {
    code: 'BadData',
    message: 'groupPattern ^(?:(p)|q) does not match q, r0, r1, r2, r3, r4, r5, r6 and 13 more',
  })
})

const STEM = `${'a'.repeat(60)}!`
const HOSTILE: [string, RegExp][] = [
  ['^((?:a+)+)$', /takes more than 50 ms/],
  ['^((?:a|a)*)$', /takes more than 50 ms/],
  ['((?:.*)*?x)', /takes more than 50 ms/],
  ['^(?=((?:a*)*)$)', /takes more than 50 ms/],
  // The compiler of regular expressions gives up, or takes too long.
  [
    `${'(?:'.repeat(100_000)}(a)${')'.repeat(100_000)}`,
    /takes more than 50 ms|is too large|is not a regular expression/,
  ],
]
for (const [pattern, message] of HOSTILE) {
  test(`a pattern that would not end is refused in time: ${pattern.slice(0, 40)}`, () => {
    assert.throws(() => groupStems([STEM], pattern, 50), { code: 'BadData', message })
  })
}

test('an unusable pattern is rejected with the reason', () => {
  for (const [pattern, message] of [
    ['(', /is not a regular expression/],
    ['^p[0-9]', /has 0 capture groups, not one/],
    ['^(p)([0-9])', /has 2 capture groups, not one/],
  ] as const)
    assert.throws(() => groupStems(['p1-a'], pattern), { code: 'BadData', message })
})
