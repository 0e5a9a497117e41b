// Lines of bounded length, whatever arrives in whatever pieces.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type LineOptions, lineSplitter } from './lines.ts'

interface Split {
  readonly lines: string[]
  readonly tooLong: string[]
}

/** Splits the text in chunks of so many bytes. */
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

    test('letters of several bytes stay whole, and a line separator of Unicode ends no line', () => {
      assert.deepEqual(split('é€𝄞\n\u2028x\n', step).lines, ['é€𝄞', '\u2028x'])
    })

    test('a longer line is cut into pieces where nobody minds', () => {
      assert.deepEqual(split('0123456789abc\nd\n', step).lines, ['0123456789', 'abc', 'd'])
    })

    test('a longer line ends the reading where somebody does, once, with its beginning', () => {
      const { lines, tooLong } = bounded('ok\n0123456789abc\nnever\n', step)
      assert.deepEqual([lines, tooLong], [['ok'], ['0123456789']])
    })
  })
}
