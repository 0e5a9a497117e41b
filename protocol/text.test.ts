// Foreign texts in messages: the bound is kept, characters stay whole, and what is left out is counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { counted, listed, shortened } from './text.ts'

test('a count has its noun in the singular or the plural', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'image')),
    ['0 images', '1 image', '2 images'],
  )
})

test('a list names the first texts and counts the others', () => {
  assert.equal(listed([]), '')
  assert.equal(listed(['a', 'b'], 2), 'a, b')
  assert.equal(listed(['a', 'b', 'c'], 2), 'a, b and 1 more')
  assert.equal(listed([1, 2, 3], 1, '; '), '1 and 2 more')
})

test('a shortened text keeps its bound and its beginning, and no character is cut in half', () => {
  assert.equal(shortened('abcd', 4), 'abcd')
  assert.equal(shortened('abcde', 4), 'abc…')
  assert.equal(shortened('ab🧠cd', 4), 'ab…')
  assert.equal(shortened('ab🧠cd', 5), 'ab🧠…')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 20 }), (text, longest) => {
      const short = shortened(text, longest)
      assert.ok(short.length <= longest)
      assert.ok(short.isWellFormed())
      assert.ok(text.startsWith(short.replace(/…$/, '')))
      assert.ok(text.length > longest || short === text)
    }),
  )
})
