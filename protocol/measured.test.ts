import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { admitMetrics, isMetricName, MOST_METRICS } from './measured.ts'

const ESCAPE = '\u001b[2J'

describe('a metric', () => {
  test('has a name that can be shown', () => {
    for (const name of ['dice', 'val/loss', 'f1 (macro)', 'mAP@0.5', 'précision', 'x'.repeat(64)])
      assert.ok(isMetricName(name), name)
    for (const name of [
      '',
      'x'.repeat(65),
      ESCAPE,
      'a\nb',
      '<b>',
      'a|b',
      '[a](b)',
      '\u202Ea',
      '__proto__',
      'constructor',
    ])
      assert.ok(!isMetricName(name), JSON.stringify(name))
  })

  test('is dropped with a sentence that names it where it is no number or has no such name', () => {
    const reported = JSON.parse(
      `{"good": 0.5, "text": "0.5", "flag": true, "none": null, "nested": {"a": 1}, "list": [1], "huge": 1e300,
        "${'n'.repeat(2_000_000)}": 1, "a\\u001b[2Jb": 1, "__proto__": 1}`,
    ) as Record<string, unknown>
    const { metrics, dropped } = admitMetrics({ ...reported, nan: Number.NaN })
    assert.deepEqual(metrics, { good: 0.5 })
    assert.equal(dropped.length, 10)
    for (const sentence of dropped) {
      assert.ok(sentence.length < 400, sentence)
      assert.ok(!sentence.includes('\u001b'))
    }
    assert.match(dropped.join('\n'), /the metric "text": "0\.5" is not a finite number/)
    assert.match(dropped.join('\n'), /the metric "nan": NaN is not a finite number/)
  })

  test('is one of at most 64', () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`m${i}`, i]))
    const { metrics, dropped } = admitMetrics(many)
    assert.equal(Object.keys(metrics).length, MOST_METRICS)
    assert.match(dropped.join('\n'), /the first 64 metrics/)
  })
})
