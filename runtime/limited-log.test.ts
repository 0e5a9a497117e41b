// Lines that foreign messages cause, above their rate.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLimitedLog } from './limited-log.ts'

test('the first lines of a period are written, and the others counted', () => {
  const lines: string[] = []
  let now = 0
  const log = createLimitedLog(
    (line) => void lines.push(line),
    () => now,
  )
  for (let i = 0; i < 1000; i += 1) log(`line ${i}`)
  assert.deepEqual(
    lines,
    Array.from({ length: 20 }, (_, i) => `line ${i}`),
  )
  now = 60
  log('later')
  assert.deepEqual(lines.slice(20), ['980 more lines of this kind were not written', 'later'])
})

test('a long line is shortened', () => {
  const lines: string[] = []
  createLimitedLog(
    (line) => void lines.push(line),
    () => 0,
  )('x'.repeat(100_000))
  assert.equal(lines[0]?.length, 1000)
})
