// Any bytes in any chunks: the splitter finds the lines that the whole text has, and holds no more than its bound.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { lineSplitter } from './lines.ts'

const MOST = 64

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.stringMatching(/^[ab\r\n]*$/).map((text) => Uint8Array.from(Buffer.from(text))),
  fc.integer({ min: 0, max: 3000 }).map((length) => new Uint8Array(length).fill(0x61)),
)

/** The expected lines, by a regular expression over the whole text. */
function linesOf(whole: Buffer): string[] {
  const lines = whole.toString('latin1').split(/\r\n|\n|\r/)
  if (lines.at(-1) === '') lines.pop()
  return lines.flatMap((line) => (line === '' ? [''] : (line.match(new RegExp(`[^]{1,${MOST}}`, 'g')) ?? [])))
}

fuzz('chunks into lines', {
  input: fc.array(bytes, { maxLength: 6 }),
  examples: [[new Uint8Array(2 ** 20).fill(0x61), Uint8Array.of(0x0d), Uint8Array.of(0x0a)]],
  read(chunks) {
    const found: string[] = []
    const splitter = lineSplitter({ most: MOST, onLine: (line) => found.push(line) })
    for (const chunk of chunks) splitter.push(chunk)
    splitter.end()
    const wanted = linesOf(Buffer.concat(chunks)).map((line) => Buffer.from(line, 'latin1').toString('utf8'))
    assert.deepEqual(found, wanted)
  },
})

fuzz('chunks into bounded lines, one too long ends it', {
  input: fc.array(bytes, { maxLength: 6 }),
  examples: [[new Uint8Array(2 ** 20).fill(0x61), Uint8Array.of(0x0d), Uint8Array.of(0x0a)]],
  read(chunks) {
    let tooLong = 0
    const found: string[] = []
    const splitter = lineSplitter({
      most: MOST,
      onLine: (line) => found.push(line),
      onTooLong: () => (tooLong += 1),
    })
    for (const chunk of chunks) splitter.push(chunk)
    splitter.end()
    const whole = Buffer.concat(chunks)
      .toString('latin1')
      .split(/\r\n|\n|\r/)
    assert.equal(tooLong, whole.some((line) => line.length > MOST) ? 1 : 0)
    assert.ok(found.every((line) => Buffer.byteLength(line) <= 3 * MOST))
  },
})
