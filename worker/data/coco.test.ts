// COCO annotations: polygons and both kinds of run lengths give the same pixels, and a wrong file is named.
import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { folderOf, png, specOf } from '#test/given/data-files.ts'
import { peakBytes } from '#test/peak-memory.ts'
import { drawObjects } from './coco.ts'
import { type DatasetReport, inspectDataset } from './preflight.ts'
import { formatReport } from './report.ts'
import { loadSamples } from './samples.ts'

const spec = specOf({ layout: 'COCO', annotationsFile: 'instances.json' })
/** Pixels hold the category plus one: 3 where this object of category 2 is. */
const drawn = (
  width: number,
  height: number,
  region: Parameters<typeof drawObjects>[0]['objects'][number]['region'],
) => [...drawObjects({ width, height, objects: [{ category: 2, region }] }, []).values]

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

test('the selected category covers the others', () => {
  const whole = { kind: 'Polygons', polygons: [[0, 0, 2, 0, 2, 1, 0, 1]] } as const
  const left = { kind: 'Polygons', polygons: [[0, 0, 1, 0, 1, 1, 0, 1]] } as const
  const objects = [
    { category: 0, region: left },
    { category: 1, region: whole },
  ]
  assert.deepEqual([...drawObjects({ width: 2, height: 1, objects }, []).values], [2, 2])
  assert.deepEqual([...drawObjects({ width: 2, height: 1, objects }, [0]).values], [1, 2])
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

test('an unusable annotations file is named with the reason', async (t) => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ['', {}, /"" is not named/],
    ['x.json', {}, /x\.json does not exist/],
    ['x.json', { 'x.json': '{' }, /x\.json is not JSON/],
    ['x.json', { 'x.json': '[]' }, /x\.json is not a COCO instances file: its content/],
    ['x.json', { 'x.json': '{"images": []}' }, /it has no list named annotations/],
    ['x.json', { 'x.json': '{"images": [], "annotations": []}' }, /is empty/],
  ]
  for (const [annotationsFile, files, message] of cases) {
    const folder = await folderOf(t, { 'images/.keep': '', ...files })
    const report = await inspectDataset({ ...spec, annotationsFile }, folder)
    assert.match(report.problems[0]!.message, message)
    assert.ok(report.problems[0]!.fatal)
  }
})

const square = [[0, 0, 1, 0, 1, 2, 0, 2]]
const dot = png({ width: 2, samples: [1, 2, 3, 4] })

/** The report on images a, b and c of 2x2 pixels, each with the same outlined object but for these changes. */
async function reportOn(
  t: TestContext,
  changes: {
    readonly images?: readonly object[]
    readonly annotations?: readonly object[]
    readonly content?: object
    readonly files?: Record<string, Uint8Array | string>
    readonly labels?: readonly number[]
  },
): Promise<DatasetReport> {
  const names = ['a', 'b', 'c']
  const content = {
    images: names.map((name, i) => ({ id: i + 1, file_name: `${name}.png`, width: 2, height: 2 })),
    annotations: names.map((_, i) => ({ id: i, image_id: i + 1, category_id: 5, segmentation: square })),
    ...changes.content,
  }
  for (const [i, fields] of (changes.images ?? []).entries()) Object.assign(content.images[i]!, fields)
  for (const [i, fields] of (changes.annotations ?? []).entries())
    Object.assign(content.annotations[i]!, fields)
  const pictures = Object.fromEntries(names.map((name) => [`images/${name}.png`, dot]))
  const files = { ...pictures, 'instances.json': JSON.stringify(content), ...changes.files }
  return inspectDataset({ ...spec, labels: changes.labels ?? [] }, await folderOf(t, files))
}

test('ids are compared as text, so that 3 and "3" are the same', async (t) => {
  const report = await reportOn(t, {
    images: [{ id: '1' }, { id: 2 }],
    annotations: [{ image_id: 1, category_id: '5' }, { image_id: '2' }],
    labels: [5],
  })
  assert.deepEqual([report.images, report.emptyMasks, report.problems], [3, [], []])
})

test('categories count from 0, and labels can select category 0', async (t) => {
  const annotations = [{ category_id: 0 }, { category_id: 1 }, { category_id: 0 }]
  const all = await reportOn(t, { annotations })
  assert.deepEqual([all.emptyMasks, all.problems], [[], []])
  assert.deepEqual(
    all.labels.map(({ label, images }) => [label, images]),
    [
      [-1, 3],
      [0, 2],
      [1, 1],
    ],
  )
  assert.match(formatReport('a', all), /categories 0 \(33\.3 % of pixels, 2 images\), 1 \(/)
  const zero = await reportOn(t, { annotations, labels: [0] })
  assert.deepEqual(zero.emptyMasks, ['b'])
})

/** One rule for each thing that files get wrong: what the preflight says, and whether the partition may train. */
const RULES: [string, Parameters<typeof reportOn>[1], RegExp, 'fatal' | 'left out' | 'drawn'][] = [
  [
    'an unknown image_id',
    { annotations: [{ image_id: 9 }] },
    /^instances\.json: 1 annotation with an image_id that no image has; left out: 0, image_id 9$/,
    'left out',
  ],
  ['a missing image_id', { annotations: [{ image_id: undefined }] }, /image_id missing$/, 'left out'],
  [
    'a missing segmentation: a bbox only',
    { annotations: [{ segmentation: undefined, bbox: [0, 0, 1, 1] }] },
    /1 annotation without an outline .* left out: 0 \(a\.png\)$/,
    'left out',
  ],
  ['an empty segmentation', { annotations: [{ segmentation: [] }] }, /without an outline/, 'left out'],
  ['an empty polygon', { annotations: [{ segmentation: [[]] }] }, /without an outline/, 'left out'],
  ['no segmentation but null', { annotations: [{ segmentation: null }] }, /without an outline/, 'left out'],
  ['a line', { annotations: [{ segmentation: [[0, 0, 1, 1]] }] }, /without an outline/, 'left out'],
  [
    'a crowd',
    { annotations: [{ iscrowd: 1 }] },
    /1 annotation of a crowd .*drawn .*: 0 \(a\.png\)$/,
    'drawn',
  ],
  [
    'a category that is not listed',
    { content: { categories: [{ id: '4', name: 'cell' }] } },
    /3 annotations with a category_id that is not in categories; drawn all the same: 0 \(a\.png\), category_id 5,/,
    'drawn',
  ],
  ['an annotation id twice', { annotations: [{ id: 2 }] }, /an id that an earlier annotation has/, 'drawn'],
  [
    'a category with a name for an id',
    { annotations: [{ category_id: 'cell' }] },
    /1 annotation with a category_id that is not a whole number from 0 to 65534: 0 \(a\.png\), category_id "cell"$/,
    'fatal',
  ],
  ['a category below 0', { annotations: [{ category_id: -1 }] }, /category_id -1$/, 'fatal'],
  ['a category above 65534', { annotations: [{ category_id: 65_535 }] }, /category_id 65535$/, 'fatal'],
  ['half a category', { annotations: [{ category_id: 1.5 }] }, /category_id 1\.5$/, 'fatal'],
  ['no category', { annotations: [{ category_id: undefined }] }, /category_id missing$/, 'fatal'],
  ['a text for an outline', { annotations: [{ segmentation: 'x' }] }, /neither a list of polygons/, 'fatal'],
  [
    'run lengths below 0',
    { annotations: [{ segmentation: { size: [2, 2], counts: [5, -1] } }] },
    /neither a list of polygons/,
    'fatal',
  ],
  [
    'run lengths of another image',
    { annotations: [{ segmentation: { size: [3, 3], counts: [4, 5] } }] },
    /^the annotations of images\/a\.png in instances\.json hold run lengths for 9 pixels of 3x3 in an image of 2x2/,
    'fatal',
  ],
  [
    'damaged compressed run lengths',
    { annotations: [{ segmentation: { size: [2, 2], counts: 'oooooooooo' } }] },
    /hold damaged run lengths/,
    'fatal',
  ],
  [
    'an image id twice',
    { images: [{ id: 2 }] },
    /1 image with an id that an earlier image has.*b\.png/,
    'fatal',
  ],
  ['no width', { images: [{ width: undefined }] }, /1 image without a usable id, .*: a\.png$/, 'fatal'],
  ['a width of 0', { images: [{ width: 0 }] }, /1 image without a usable id/, 'fatal'],
  ['no file_name', { images: [{ file_name: undefined }] }, /1 image without .*: images\[0\]/, 'fatal'],
  [
    'an absurd width',
    { images: [{ width: 4e9 }] },
    /1 image of more than 268435456 pixels by width and height: a\.png \(4000000000x2\)/,
    'fatal',
  ],
  [
    'another size than the picture',
    { images: [{ width: 16_384, height: 16_384 }] },
    /^the annotations of images\/a\.png in instances\.json: 16384x16384 pixels, but its image has 2x2$/,
    'fatal',
  ],
  ['a file_name twice', { images: [{ file_name: 'b.png' }] }, /images\/b\.png is listed twice/, 'fatal'],
  [
    'an image that is not there',
    { images: [{ file_name: 'x.png' }] },
    /^images\/x\.png does not exist/,
    'fatal',
  ],
]

for (const [name, changes, message, outcome] of RULES) {
  test(`COCO rule: ${name}`, async (t) => {
    const { problems, emptyMasks } = await reportOn(t, changes)
    const problem = problems.find((one) => message.test(one.message))
    assert.ok(problem, `${message}\nin ${JSON.stringify(problems)}`)
    assert.equal(problem.fatal, outcome === 'fatal')
    if (outcome !== 'fatal') assert.deepEqual(emptyMasks, outcome === 'left out' ? ['a'] : [])
  })
}

test('files that the annotations do not list are named', async (t) => {
  const report = await reportOn(t, { files: { 'images/x.png': dot, 'images/sub/y.png': dot } })
  assert.deepEqual(report.unpairedImages, ['images/x.png'])
  assert.equal(
    report.problems[0]!.message,
    '1 file that instances.json does not list; left out: images/x.png',
  )
})

test('a file_name outside of the root is refused, by its text or through a link', async (t) => {
  for (const file_name of ['../../x.png', '/etc/x.png', 'C:\\x.png', 'https://host/x.png', '..\\..\\x.png']) {
    const { problems } = await reportOn(t, { images: [{ file_name }] })
    const problem = problems.find(({ message }) => message.includes('outside of the root'))
    assert.ok(problem?.fatal, JSON.stringify(problems))
    assert.ok(problem.message.endsWith(file_name.replaceAll('\\', '/')))
  }
  const elsewhere = await folderOf(t, { 'secret.png': dot })
  const content = {
    images: [{ id: 1, file_name: 'link/secret.png', width: 2, height: 2 }],
    annotations: [{ image_id: 1, category_id: 1, segmentation: square }],
  }
  const folder = await folderOf(t, { 'images/a.png': dot, 'instances.json': JSON.stringify(content) })
  await symlink(elsewhere, join(folder, 'images/link'))
  const { problems } = await inspectDataset(spec, folder)
  const [problem] = problems.filter(({ fatal }) => fatal)
  assert.match(problem!.message, /^images\/link\/secret\.png leads outside of the root/)
})

test('a byte order mark, and names in another Unicode form, are read', async (t) => {
  const [composed, decomposed] = ['se\u00f1al', 'sen\u0303al']
  const content = {
    images: [{ id: 1, file_name: `${composed}.png`, width: 2, height: 2 }],
    annotations: [{ image_id: 1, category_id: 1, segmentation: square }],
  }
  const folder = await folderOf(t, {
    [`images/${decomposed}.png`]: dot,
    'instances.json': `\uFEFF${JSON.stringify(content)}`,
  })
  const report = await inspectDataset({ ...spec, heldOutFraction: 0 }, folder)
  assert.deepEqual([report.split.train, report.problems], [[composed], []])
})

test('compressed run lengths below 0 are refused, though their sum fits', () => {
  const region = { kind: 'Runs', size: [2, 2], counts: '5O' } as const
  assert.throws(() => drawObjects({ width: 2, height: 2, objects: [{ category: 1, region }] }, []), {
    code: 'BadData',
    message: /hold run lengths for 4 pixels/,
  })
})

test('drawing is bounded: outlines that cover an image too many times are refused', () => {
  const side = 4096
  const region = { kind: 'Polygons', polygons: [[0, 0, side, 0, side, side, 0, side]] } as const
  const times = 2 ** 31 / side ** 2
  const covering = (count: number) => () =>
    drawObjects({ width: side, height: side, objects: new Array(count).fill({ category: 1, region }) }, [])
  assert.throws(covering(times + 1), { code: 'BadData', message: /too many points or overlaps/ })
  covering(1)()
})

test('objects of another size than their image take no memory', async (t) => {
  const whole = [[0, 0, 16_384, 0, 16_384, 16_384, 0, 16_384]]
  const content = {
    images: [{ id: 1, file_name: 'a.png', width: 16_384, height: 16_384 }],
    annotations: [{ id: 1, image_id: 1, category_id: 5, segmentation: whole }],
  }
  const folder = await folderOf(t, { 'images/a.png': dot, 'instances.json': JSON.stringify(content) })
  assert.deepEqual((await inspectDataset(spec, folder)).otherSize, ['images/a.png'])
  const taken = await peakBytes(
    `import { inspectDataset } from '#worker/data/preflight.ts'`,
    `await inspectDataset(${JSON.stringify(spec)}, ${JSON.stringify(folder)})`,
  )
  // One byte a pixel would be 256 MiB.
  assert.ok(taken < 128 * 2 ** 20, `${taken} bytes`)
})

test('drawing is bounded: a polygon with too many crossings is refused', () => {
  const zigzag = Array.from({ length: 4000 }, (_, i) => [i / 400, i % 2 === 0 ? 0 : 4096]).flat()
  const region = { kind: 'Polygons', polygons: [zigzag] } as const
  assert.throws(() => drawObjects({ width: 10, height: 4096, objects: [{ category: 1, region }] }, []), {
    code: 'BadData',
    message: /too many points or overlaps/,
  })
})
