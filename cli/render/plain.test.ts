// What clients, pods and files say reaches a terminal as plain text, and a program that reads JSON as it was said.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jsonLine, plainData, plainLines, plainText } from './plain.ts'
import { openScreen } from './screen.ts'

const HOSTILE = [
  ['clears the screen', '\u001b[2Jx', '[2Jx'],
  ['sets the clipboard', '\u001b]52;c;eA==\u0007x', ']52;c;eA==x'],
  ['is a C1 control', '\u009b2Jx', '2Jx'],
  ['forges a line', 'a\nfedsam: complete', 'a fedsam: complete'],
  ['returns to the start of the line', 'a\rb', 'a b'],
  ['deletes', 'a\u007f\bb', 'ab'],
  ['separates lines in Unicode', 'a\u2028b\u0085c', 'a b c'],
  ['turns the direction of writing', 'a\u202eb\u2066c', 'abc'],
  ['colours', '\u001b[31mx\u001b[39m', '[31mx[39m'],
  ['is nothing of that', 'Größe 5 µm — dice → 0.9 😀', 'Größe 5 µm — dice → 0.9 😀'],
] as const

describe('a text that', () => {
  for (const [what, text, plain] of HOSTILE) {
    test(`${what} is one plain line`, () => {
      assert.equal(plainText(text), plain)
      assert.deepEqual(plainData({ [text]: [text, 1, null] }), { [plain]: [plain, 1, null] })
      assert.equal(plainData(text), plain)
    })

    test(`${what} is escaped in JSON, and read back as it was`, () => {
      const line = jsonLine({ text })
      assert.equal(plainText(line), line)
      assert.deepEqual(JSON.parse(line), { text })
    })

    test(`${what} reaches no output of a screen raw`, () => {
      let written = ''
      const output = { isTTY: true, columns: 200, write: (more: string) => (written += more) }
      const screen = openScreen(output, output)
      screen.say(text)
      screen.note(text)
      screen.live(text)
      assert.equal(written, `${plainLines(text)}\n${plainLines(text)}\n${plain}`)
    })
  }
})

test('lines stay lines', () => {
  assert.equal(plainLines('a\r\n\u001b[2Jb\n'), 'a\n[2Jb\n')
})
