// The model card repeats names that clients chose. Markdown shows them and obeys none of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markdownText } from './model-card.ts'

test('a plain name stays as it is', () => {
  for (const name of ['dice', 'val/iou-0.5', 'Dice 95%', 'Übereinstimmung']) {
    assert.equal(markdownText(name), name)
  }
})

const hostile: readonly [what: string, name: string, text: string][] = [
  ['HTML', '<script>x</script>', '\\<script\\>x\\</script\\>'],
  ['a link', '[a](http://b)', '\\[a\\]\\(http\\://b\\)'],
  ['a cell of a table', 'a|b', 'a\\|b'],
  ['lines', 'a\n\n# b\u2028c', 'a \\# b c'],
  ['an escape of the terminal', 'a\u001b[2Jb', 'a \\[2Jb'],
  ['another direction of writing', 'a\u202eb', 'a b'],
  ['no end', 'a'.repeat(5000), 'a'.repeat(60)],
]
for (const [what, name, text] of hostile) {
  test(`a name that is ${what} is shown and not interpreted`, () => {
    assert.equal(markdownText(name), text)
  })
}
