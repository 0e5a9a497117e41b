import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readTrainerLine } from './seam.ts'

const read = (line: string): { found: unknown; dropped: string[] } => {
  const dropped: string[] = []
  return { found: readTrainerLine(line, (sentence) => dropped.push(sentence)), dropped }
}

describe('an answer with a number that is not finite', () => {
  const figures = [
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['null', Number.NaN],
    ['1e999', Number.POSITIVE_INFINITY],
    ['"NaN"', Number.NaN],
  ] as const
  for (const [written, value] of figures) {
    test(`as a loss, written as ${written}, is that loss`, () => {
      const { found, dropped } = read(`{"type": "evaluated", "id": 2, "loss": ${written}, "num_examples": 3}`)
      assert.deepEqual(found, { type: 'evaluated', id: 2, loss: value, num_examples: 3, metrics: {} })
      assert.deepEqual(dropped, [])
    })
  }

  test('as a metric loses only that metric', () => {
    const { found, dropped } = read(
      '{"type": "fitted", "id": 1, "num_examples": 3, "metrics": {"a NaN": 1, "b": NaN, "c": -Infinity}}',
    )
    assert.deepEqual(found, { type: 'fitted', id: 1, num_examples: 3, metrics: { 'a NaN': 1 } })
    assert.equal(dropped.length, 2)
  })
})

describe('a line of the seam', () => {
  test('has metrics, an empty map, or null', () => {
    for (const metrics of ['', ', "metrics": null', ', "metrics": {}'])
      assert.deepEqual(read(`{"type": "fitted", "id": 1, "num_examples": 3${metrics}}`).found, {
        type: 'fitted',
        id: 1,
        num_examples: 3,
        metrics: {},
      })
  })

  test('of another form cannot be read', () => {
    for (const line of [
      '{"type": "evaluated", "id": 2, "loss": "low", "num_examples": 3}',
      '{"type": "evaluated", "id": 2, "num_examples": 3}',
      '{"type": "fitted", "id": 1, "num_examples": 3, "metrics": [1]}',
      '{"type": "fitted", "id": 1, "num_examples": 3, "metrics": "x"}',
      '{"type": "fitted", "id": NaN, "num_examples": 3}',
    ])
      assert.equal(read(line).found, 'Unreadable', line)
  })

  test('is different from printed text that looks like one', () => {
    for (const line of ['{"epoch": NaN}', '{ NaN', 'NaN', '{"type": "other"}'])
      assert.equal(read(line).found, undefined, line)
  })
})
