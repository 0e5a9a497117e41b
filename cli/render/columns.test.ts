// Columns, wrapping and ages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageText, alignRows, labelled, wrapText } from './columns.ts'

test('columns are as wide as their widest cell; numbers are aligned to the right', () => {
  const rows = [
    ['a', '1', 'x'],
    ['long', '22'],
  ]
  assert.deepEqual(alignRows(rows), ['a     1   x', 'long  22'])
  assert.deepEqual(alignRows(rows, [1]), ['a      1  x', 'long  22'])
  assert.deepEqual(alignRows([]), [])
})

test('sentences wrap below their beginning, and a word that is too long stays whole', () => {
  assert.deepEqual(wrapText('one two three', 8, 2), ['one two', '  three'])
  assert.deepEqual(labelled('site-a  ', 'one two three', 16), ['site-a  one two', '        three'])
  assert.deepEqual(labelled('site-a  ', '', 16), ['site-a'])
  assert.deepEqual(wrapText('supercalifragilistic a', 8, 0), ['supercalifragilistic', 'a'])
})

test('ages have the notation of kubectl', () => {
  const now = Date.parse('2026-11-24T08:00:00Z')
  const ages = [
    '2026-11-24T07:58:01Z',
    '2026-11-24T07:58:00Z',
    '2026-11-24T06:00:00Z',
    '2026-11-21T08:00:00Z',
    '',
  ]
  assert.deepEqual(
    ages.map((since) => ageText(since, now)),
    ['119s', '2m', '2h', '3d', '?'],
  )
})
