// COCO annotations: polygons and both kinds of run lengths give the same pixels, and a wrong file is named.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { drawObjects } from './coco.ts'
import { folderOf, png, specOf } from './example-files.ts'
import { inspectDataset } from './preflight.ts'
import { loadSamples } from './samples.ts'

const spec = specOf({ layout: 'COCO', annotationsFile: 'instances.json' })
const drawn = (
  width: number,
  height: number,
  region: Parameters<typeof drawObjects>[0]['objects'][number]['region'],
) => [...drawObjects({ width, height, objects: [{ category: 3, region }] }, []).values]

test('a polygon fills the pixels whose centre it holds', () => {
  const square = drawn(4, 3, { kind: 'Polygons', polygons: [[1, 0, 3, 0, 3, 2, 1, 2]] })
  assert.deepEqual(square, [0, 3, 3, 0, 0, 3, 3, 0, 0, 0, 0, 0])
  const outside = drawn(2, 2, { kind: 'Polygons', polygons: [[-5, -5, 9, -5, 9, 9, -5, 9]] })
  assert.deepEqual(outside, [3, 3, 3, 3])
})

test('runs go down the columns, zeros first', () => {
  assert.deepEqual(drawn(3, 2, { kind: 'Runs', size: [2, 3], counts: [1, 2, 3] }), [0, 3, 0, 3, 0, 0])
})

test('compressed runs are plain runs', () => {
  const compress = (counts: readonly number[]): string =>
    counts.map((count, i) => compressOne(i > 2 ? count - counts[i - 2]! : count)).join('')
  const compressOne = (value: number): string => {
    let rest = value
    let text = ''
    for (let more = true; more; ) {
      let code = rest & 0x1f
      rest >>= 5
      more = (code & 0x10) !== 0 ? rest !== -1 : rest !== 0
      if (more) code |= 0x20
      text += String.fromCharCode(code + 48)
    }
    return text
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }), (counts) => {
      const height = counts.reduce((sum, count) => sum + count, 0)
      const size = [height, 1] as const
      const plain = drawn(1, height, { kind: 'Runs', size, counts })
      assert.deepEqual(drawn(1, height, { kind: 'Runs', size, counts: compress(counts) }), plain)
    }),
  )
  // By pycocotools 2.0.10: rows 1 to 3 of columns 1 and 2; then an ellipse of (x−30)²/25² + (y−20)²/15² < 1 with rows 5
  // to 8 of columns 2 and 3.
  assert.deepEqual(
    drawn(4, 5, { kind: 'Runs', size: [5, 4], counts: '63204' }),
    [0, 0, 0, 0, 0, 3, 3, 0, 0, 3, 3, 0, 0, 3, 3, 0, 0, 0, 0, 0],
  )
  const counts =
    'e24T10k25oL2M4M2O0O2N2O0O2O0O2O0O2O00000O2O00000000000000000000000000000001N1000001N101N101N101N2N101N3L3Ni5'
  const ellipse = Array.from({ length: 40 * 60 }, (_, i) => {
    const [x, y] = [i % 60, Math.floor(i / 60)]
    return ((x - 30) / 25) ** 2 + ((y - 20) / 15) ** 2 < 1 || (y > 4 && y < 9 && x > 1 && x < 4) ? 3 : 0
  })
  assert.deepEqual(drawn(60, 40, { kind: 'Runs', size: [40, 60], counts }), ellipse)
})

test('runs of another size are refused', () => {
  const image = { width: 2, height: 2, objects: [] }
  for (const region of [
    { kind: 'Runs', size: [2, 2], counts: [1, 2] },
    { kind: 'Runs', size: [1, 4], counts: [4] },
  ] as const) {
    assert.throws(() => drawObjects({ ...image, objects: [{ category: 1, region }] }, []), {
      code: 'BadData',
      message: /run lengths for \d pixels/,
    })
  }
})

test('the selected category lies on top', () => {
  const whole = { kind: 'Polygons', polygons: [[0, 0, 2, 0, 2, 1, 0, 1]] } as const
  const left = { kind: 'Polygons', polygons: [[0, 0, 1, 0, 1, 1, 0, 1]] } as const
  const objects = [
    { category: 1, region: left },
    { category: 2, region: whole },
  ]
  assert.deepEqual([...drawObjects({ width: 2, height: 1, objects }, []).values], [2, 2])
  assert.deepEqual([...drawObjects({ width: 2, height: 1, objects }, [1]).values], [1, 2])
})

test('a COCO data set is inspected and loaded; images without objects are empty', async (t) => {
  const image = png({ width: 2, samples: [1, 2, 3, 4] })
  const annotations = {
    images: ['a', 'b', 'c', 'd'].map((name, id) => ({
      id,
      file_name: `${name}.png`,
      width: id === 3 ? 9 : 2,
      height: 2,
    })),
    annotations: [
      { image_id: 0, category_id: 5, segmentation: [[0, 0, 1, 0, 1, 2, 0, 2]], iscrowd: 0, area: 2 },
      { image_id: 1, category_id: 5, segmentation: { size: [2, 2], counts: [2, 2] }, iscrowd: 1 },
    ],
  }
  const folder = await folderOf(t, {
    'images/a.png': image,
    'images/b.png': image,
    'images/c.png': image,
    'images/d.png': image,
    'instances.json': JSON.stringify(annotations),
  })
  const report = await inspectDataset(spec, folder)
  assert.deepEqual([report.images, report.emptyMasks], [3, ['c']])
  assert.deepEqual(report.labels.at(-1), { label: 5, pixels: 4, images: 2 })
  assert.deepEqual(report.otherSize, ['images/d.png'])
  const samples = await loadSamples(spec, folder, ['a', 'b'])
  assert.deepEqual(
    samples.map(({ mask }) => [...mask]),
    [
      [1, 0, 1, 0],
      [0, 1, 0, 1],
    ],
  )
})

test('an annotations file that cannot be used is named with the reason', async (t) => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ['', {}, /"" is not named/],
    ['x.json', {}, /x\.json cannot be read \(ENOENT\)/],
    ['x.json', { 'x.json': '{' }, /x\.json is not JSON/],
    ['x.json', { 'x.json': '{"images": []}' }, /annotations: /],
    [
      'x.json',
      { 'x.json': '{"images": [], "annotations": [{"image_id": 1, "category_id": 0}]}' },
      /category_id/,
    ],
    ['x.json', { 'x.json': '{"images": [], "annotations": []}' }, /is empty/],
  ]
  for (const [annotationsFile, files, message] of cases) {
    const report = await inspectDataset({ ...spec, annotationsFile }, await folderOf(t, files))
    assert.match(report.problems[0]!.message, message)
    assert.ok(report.problems[0]!.fatal)
  }
})
