// Lines of bounded length, from chunks of any size.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type LineOptions, lineSplitter } from './lines.ts'

interface Split {
  readonly lines: string[]
  readonly tooLong: string[]
}

/** Splits the text, in chunks of `step` bytes. */
function split(text: string, step: number, options: Partial<LineOptions> = {}): Split {
  const found: Split = { lines: [], tooLong: [] }
  const splitter = lineSplitter({ most: 10, onLine: (line) => found.lines.push(line), ...options })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += step) splitter.push(bytes.subarray(at, at + step))
  splitter.end()
  return found
}

function bounded(text: string, step: number): Split {
  const tooLong: string[] = []
  return { ...split(text, step, { onTooLong: (beginning) => tooLong.push(beginning) }), tooLong }
}

for (const step of [1, 2, 3, 1000]) {
  describe(`in chunks of ${step} bytes`, () => {
    for (const [what, text, lines] of [
      ['a line feed ends a line', 'a\nbc\n\nd\n', ['a', 'bc', '', 'd']],
      ['so do a carriage return and both', 'a\rb\r\nc\n\rd\r\r\n', ['a', 'b', 'c', '', 'd', '']],
      ['the rest is a line', 'a\nb', ['a', 'b']],
      ['nothing is no line', '', []],
      ['a line of just the bound', '0123456789\n', ['0123456789']],
    ] as const) {
      test(what, () => assert.deepEqual(split(text, step).lines, lines))
    }

    test('characters of several bytes stay complete, and the Unicode line separator does not end a line', () => {
      assert.deepEqual(split('é€𝄞\n\u2028x\n', step).lines, ['é€𝄞', '\u2028x'])
    })

    test('a longer line is split into pieces without onTooLong', () => {
      assert.deepEqual(split('0123456789abc\nd\n', step).lines, ['0123456789', 'abc', 'd'])
    })

    test('a longer line ends the reading with one call of onTooLong and its beginning', () => {
      const { lines, tooLong } = bounded('ok\n0123456789abc\nnever\n', step)
      assert.deepEqual([lines, tooLong], [['ok'], ['0123456789']])
    })
  })
}
