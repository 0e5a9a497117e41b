import assert from 'node:assert/strict'
import { test } from 'node:test'
import { malformedTag, PICTURES, TROUBLED } from '#test/given/report-page.ts'
import { apart } from './chart.ts'
import { byteText, metricText, ticks, tickText } from './figures.ts'
import { html } from './markup.ts'
import { reportPage } from './page.ts'
import { spread } from './pictures.ts'
import { edge } from './raster.ts'

const page = reportPage({
  run: TROUBLED,
  pictures: { sites: PICTURES, prompts: 'Box' },
  comparison: {
    caption: 'Dice',
    sites: ['site-a', 'site-b'],
    rows: [{ name: 'alone', values: [0.9, 0.5], trainedOn: 'site-a', mean: 0.5, highlighted: true }],
    notes: ['a note'],
  },
})

test('every tag is closed', () => {
  assert.equal(malformedTag(page), undefined)
  assert.equal(malformedTag('<p><b></p>'), '</p>')
})

test('the page loads nothing and runs nothing', () => {
  assert.doesNotMatch(page, /<script|<link|<iframe|\son\w+=|@import|url\(/i)
  for (const [, target] of page.matchAll(/(?:href|src)="([^"]*)"/g)) {
    assert.match(target!, /^(data:image\/png;base64,|#)/)
  }
})

test('names and messages stay text, with any content', () => {
  assert.match(page, /&lt;b&gt;&quot;troubled&quot; &amp; co&lt;\/b&gt;/)
  assert.match(page, /aria-label="a&lt;1&gt; with its true mask"/)
  assert.equal(
    html`<i title="${'"x"'}">${['<', html`<br>`, undefined, 3]}</i>`.markup,
    '<i title="&quot;x&quot;">&lt;<br>3</i>',
  )
})

test('the page shows every lost client with its outcome and reason', () => {
  assert.match(page, /<b>&lt;script&gt;<\/b> Rejected \(NotFinite\): tensor &quot;w&quot; holds NaN/)
  assert.match(page, /<b>site-a<\/b> Late</)
  assert.match(
    page,
    /<b>&lt;b&gt;x<\/b> is far from the others: the norm of its update is 123500, the median/,
  )
  assert.match(page, /<b>site-a<\/b>: its norm of 9 is clipped to 1 &lt; 2</)
  assert.match(page, /abandoned: QuorumNotReached: 1 of 2/)
  assert.match(page, /not selected: site-z/)
  assert.match(page, /1,234<\/td>\s*<td class="number">637 kB/)
})

test('the page shows a failed evaluation with its reason, and names a lost client once', () => {
  assert.match(
    page,
    /<b>site-a<\/b> did not evaluate the model of round 0: Failed \(TrainerFailed\): no &lt;layer&gt;/,
  )
  assert.match(page, /nothing held out: site-y/)
  assert.equal(page.match(/<b>&lt;script&gt;<\/b>/g)?.length, 1)
})

test('a run without rounds and without pictures is a page too', () => {
  const empty = reportPage({
    run: { ...TROUBLED, state: 'Unfinished', clients: [], curves: [], attempts: [] },
    pictures: { absent: 'no pictures <here>' },
  })
  assert.equal(malformedTag(empty), undefined)
  assert.match(empty, /no pictures &lt;here&gt;/)
  assert.match(empty, /No round is complete yet/)
})

test('a curve of many clients names only the mean', () => {
  const clients = Array.from({ length: 30 }, (_, i) => ({
    client: `site-${i}`,
    points: [{ round: 0, value: i }],
  }))
  const curve = { title: 'loss', subtitle: '', mean: [{ round: 0, value: 15 }], clients }
  const { markup } = html`${reportPage({ run: { ...TROUBLED, curves: [curve] }, pictures: { absent: '' } })}`
  assert.doesNotMatch(markup, />site-7 /)
  assert.match(markup, /30 clients/)
})

test('labels at the ends of lines do not overlap', () => {
  assert.deepEqual(apart([10, 12, 100], 14, [0, 200]), [10, 24, 100])
  assert.deepEqual(apart([95, 98, 100], 14, [0, 100]), [72, 86, 100])
})

test('axes have round numbers that hold every value', () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10])
  const marks = ticks(0.461, 0.866, 5)
  assert.ok(marks[0]! <= 0.461 && marks.at(-1)! >= 0.866)
  assert.deepEqual(
    marks.map((mark) => tickText(mark, 0.1)),
    ['0.4', '0.5', '0.6', '0.7', '0.8', '0.9'],
  )
  assert.ok(ticks(3, 3, 5).length >= 2)
})

test('figures are short', () => {
  assert.deepEqual([0, 999, 636520, 999_600, 375e6].map(byteText), [
    '0 B',
    '999 B',
    '637 kB',
    '1.00 MB',
    '375 MB',
  ])
  assert.deepEqual([0.80135, 123.456, 1.2e-6].map(metricText), ['0.8014', '123.5', '1.20e-6'])
})

test('the chosen images are spread over all held-out ones', () => {
  assert.deepEqual(spread([1, 2, 3, 4, 5, 6], 3), [2, 4, 6])
  assert.deepEqual(spread([1, 2], 3), [1, 2])
})

test('an outline is the inner edge of its mask', () => {
  const square = Uint8Array.from({ length: 9 }, () => 1)
  assert.deepEqual([...edge(square, 3)], [1, 1, 1, 1, 0, 1, 1, 1, 1])
  assert.deepEqual([...edge(Uint8Array.from([0, 0, 0, 0, 1, 0, 0, 0, 0]), 3)], [0, 0, 0, 0, 1, 0, 0, 0, 0])
})
