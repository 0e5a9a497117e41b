// The preflight reports counts of a good data set, and one named problem for each kind of fault.
import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderOf, PALETTE, png, specOf } from '#test/given/data-files.ts'
import { modelView } from '#worker/model/segment-anything/processor.ts'
import { inspectDataset } from './preflight.ts'
import { formatReport } from './report.ts'
import { loadSamples } from './samples.ts'

const image = png({ width: 2, samples: [9, 8, 7, 6] })
const mask = png({ width: 2, samples: [0, 1, 2, 2] })
const empty = png({ width: 2, samples: [0, 0, 0, 0] })
const pair = (stem: string): Record<string, Buffer> => ({
  [`images/${stem}.png`]: image,
  [`masks/${stem}.png`]: mask,
})

test('a good data set: counts, sizes, labels, split, digest', async (t) => {
  const files = {
    ...pair('s1'),
    ...pair('s2'),
    ...pair('s10'),
    'masks/s3.png': empty,
    'images/s3.png': image,
  }
  const folder = await folderOf(t, { ...files, 'images/.DS_Store': '' })
  const report = await inspectDataset(specOf({ labels: [2] }), folder)
  assert.equal(report.images, 4)
  assert.deepEqual(report.split, { train: ['s1', 's10'], heldOut: ['s2'], gap: [] })
  assert.deepEqual(report.sizes, [{ width: 2, height: 2, images: 4 }])
  assert.deepEqual(report.labels, [
    { label: 0, pixels: 7, images: 4 },
    { label: 1, pixels: 3, images: 3 },
    { label: 2, pixels: 6, images: 3 },
  ])
  assert.deepEqual(report.emptyMasks, ['s3'])
  assert.deepEqual(
    report.problems.map(({ message, fatal }) => [message, fatal]),
    [['1 image with an empty mask (no pixel of the object); left out: s3', false]],
  )
  assert.equal((await inspectDataset(specOf({ labels: [2] }), folder)).digest, report.digest)
  const other = await folderOf(t, { ...files, 'masks/s1.png': empty })
  assert.notEqual((await inspectDataset(specOf({ labels: [2] }), other)).digest, report.digest)
})

const WRONG: {
  name: string
  files: Record<string, Uint8Array | string>
  spec?: Parameters<typeof specOf>[0]
  message: string
  field?: string
  file?: string
  /** The file that the list holds, where the problem names it in its message alone. */
  names?: string
  list?: 'unpairedImages' | 'unpairedMasks' | 'unreadable' | 'otherSize'
  fatal?: boolean
}[] = [
  {
    name: 'missing image subfolder',
    files: { 'masks/a.png': mask },
    field: 'imageSubfolder',
    message: 'the folder data/images does not exist',
  },
  {
    name: 'missing annotation subfolder',
    files: { 'images/a.png': image },
    field: 'annotationSubfolder',
    message: 'the folder data/masks does not exist',
  },
  {
    name: 'a file where a folder should be',
    files: { images: '', 'masks/a.png': mask },
    field: 'imageSubfolder',
    message: 'the folder data/images is a file',
  },
  {
    name: 'empty partition',
    files: { 'images/.keep': '', 'masks/.keep': '' },
    field: 'root',
    message: 'the data set data is empty: there is no image with a mask in images and masks',
  },
  {
    name: 'image without mask',
    files: { ...pair('a'), 'images/b.jpg': image },
    file: 'images/b.jpg',
    list: 'unpairedImages',
    message: 'images/b.jpg has no mask',
  },
  {
    name: 'mask without image',
    files: { ...pair('a'), 'masks/b.png': mask },
    names: 'masks/b.png',
    list: 'unpairedMasks',
    fatal: false,
    message: '1 mask without an image of the same name in images; left out: masks/b.png',
  },
  {
    name: 'two images of one stem',
    files: { ...pair('a'), 'images/a.jpg': image },
    file: 'images/a.png',
    message: 'images/a.png and images/a.jpg differ in their ending only, so it is unclear which one is meant',
  },
  {
    name: 'a file of another kind',
    files: { ...pair('a'), 'images/a.tif': '' },
    fatal: false,
    message: '1 file without the ending .png, .jpg or .jpeg; left out: images/a.tif',
  },
  {
    name: 'mask of another size',
    files: { ...pair('a'), 'masks/a.png': png({ width: 1, samples: [1, 1] }) },
    file: 'masks/a.png',
    list: 'otherSize',
    message: 'masks/a.png: 1x2 pixels, but its image has 2x2',
  },
  {
    name: 'unreadable image',
    files: { ...pair('a'), 'images/a.png': 'text' },
    file: 'images/a.png',
    list: 'unreadable',
    message: 'images/a.png is neither a PNG nor a JPEG picture',
  },
  {
    name: 'unreadable mask',
    files: { ...pair('a'), 'masks/a.png': mask.subarray(0, 50) },
    file: 'masks/a.png',
    list: 'unreadable',
    message: 'masks/a.png cannot be read as PNG: ',
  },
  {
    name: 'no label found',
    files: pair('a'),
    spec: { labels: [7] },
    field: 'labels',
    message: 'no mask holds one of the labels 7; they hold 1, 2',
  },
  {
    name: 'nothing but background',
    files: { ...pair('a'), 'masks/a.png': empty },
    field: 'labels',
    message: 'no mask holds an object (a value other than 0)',
  },
  {
    name: 'one of several labels absent',
    files: { ...pair('a'), ...pair('b') },
    spec: { labels: [2, 9] },
    field: 'labels',
    fatal: false,
    message: 'no mask holds the label 9; they hold 1, 2',
  },
  {
    name: 'a group pattern that fits nothing',
    files: pair('a'),
    spec: { groupPattern: '^(p[0-9]+)-' },
    field: 'groupPattern',
    message: 'groupPattern ^(p[0-9]+)- does not match a',
  },
  {
    name: 'a single image',
    files: pair('a'),
    field: 'heldOutFraction',
    fatal: false,
    message: 'a single usable image is trained on, so no image is held out to evaluate with',
  },
]

for (const { name, files, spec, message, field, file, names = file, list, fatal = true } of WRONG) {
  test(`found: ${name}`, async (t) => {
    const report = await inspectDataset(specOf(spec), await folderOf(t, files))
    const problem = report.problems.find((one) => one.message.startsWith(message))
    assert.ok(problem, `${message}\nin ${JSON.stringify(report.problems)}`)
    assert.deepEqual([problem.field, problem.file, problem.fatal], [field, file, fatal])
    assert.match(problem.remedy, /^[A-Z].*\.$/)
    assert.equal(
      report.problems.some((one) => one.fatal),
      fatal,
    )
    if (list) assert.deepEqual(report[list], [names])
  })
}

test('found: missing root', async (t) => {
  const folder = await folderOf(t, {})
  const report = await inspectDataset(specOf({ root: 'scans' }), `${folder}/scans`)
  assert.deepEqual(report.problems, [
    {
      field: 'root',
      message: 'the folder scans does not exist',
      remedy: 'Create it, or correct dataset.root.',
      fatal: true,
    },
  ])
  assert.equal(report.images, 0)
})

test('images and masks in one folder are rejected, for any spelling of the folder', async (t) => {
  const folder = await folderOf(t, pair('a'))
  await symlink('images', join(folder, 'again'))
  for (const annotationSubfolder of ['images', './images/', 'masks/../images', 'again']) {
    const { problems } = await inspectDataset(specOf({ annotationSubfolder }), folder)
    assert.deepEqual(
      problems.map(({ field, fatal }) => [field, fatal]),
      [['annotationSubfolder', true]],
    )
    assert.match(problems[0]!.message, /are in the same folder/)
  }
})

test('names are paired by Unicode normal form; two files of one name are refused', async (t) => {
  const [composed, decomposed] = ['se\u00f1al', 'sen\u0303al']
  const files = { [`images/${composed}.png`]: image, [`masks/${decomposed}.png`]: mask }
  const folder = await folderOf(t, files)
  const spec = specOf({ heldOutFraction: 0 })
  const report = await inspectDataset(spec, folder)
  assert.deepEqual([report.split.train, report.problems], [[composed], []])
  assert.equal((await loadSamples(spec, folder, [composed])).length, 1)
  const twice = await folderOf(t, { ...files, [`masks/${composed}.png`]: mask })
  const { problems } = await inspectDataset(spec, twice)
  assert.match(problems[0]!.message, /two files have this name and differ in its Unicode form only/)
  assert.ok(problems[0]!.fatal)
})

test('each kind of left-out file is reported once, with a count and at most a few names', async (t) => {
  const stems = Array.from({ length: 12 }, (_, i) => `e${i}`)
  const empties = Object.fromEntries(
    stems.flatMap((stem) => [
      [`images/${stem}.png`, image],
      [`masks/${stem}.png`, empty],
      [`masks/${stem}.txt`, ''],
    ]),
  )
  const folder = await folderOf(t, { ...empties, ...pair('a'), ...pair('b'), 'images/sub/x.png': image })
  const lines = formatReport('site', await inspectDataset(specOf(), folder)).split('\n')
  const names = 'e0, e1, e2, e3, e4, e5, e6, e7 and 4 more'
  assert.ok(
    lines.some((line) =>
      line.includes(`12 images with an empty mask (no pixel of the object); left out: ${names}.`),
    ),
  )
  assert.ok(
    lines.some((line) =>
      line.includes('13 files without the ending .png, .jpg or .jpeg; left out: images/sub/, masks/e0.txt'),
    ),
  )
  assert.equal(lines.length, 4)
})

test('objects that have no pixel left at the resolution of the model are named', async (t) => {
  const dot = (at: number): Buffer =>
    png({ width: 64, samples: Array.from({ length: 4096 }, (_, i) => (i === at ? 1 : 0)) })
  const picture = png({ width: 64, samples: new Array(4096).fill(1) })
  const files = ['a', 'b', 'c'].map((stem) => [`images/${stem}.png`, picture])
  const folder = await folderOf(t, {
    ...Object.fromEntries(files),
    'masks/a.png': dot(0),
    // Masks of 16x16 hold every fourth row and column, from the third (index 2) on.
    'masks/b.png': dot(2 * 64 + 2),
    'masks/c.png': dot(63),
  })
  const view = modelView({ grid: 4 }, { longestEdge: 64, side: 64, mean: [], std: [], rescaleFactor: 1 })
  const report = await inspectDataset(specOf(), folder, view)
  assert.deepEqual(report.vanishing, ['a', 'c'])
  const problem = report.problems.find(({ message }) => message.startsWith('2 objects too small'))
  assert.match(problem!.message, /no pixel is left at the resolution that is trained on: a, c$/)
  assert.ok(!problem!.fatal)
  assert.deepEqual((await inspectDataset(specOf(), folder)).vanishing, [])
})

test('pictures that are not 8-bit RGB or grey are named, with the values that the model sees', async (t) => {
  const deep = png({ width: 2, samples: [0, 4095, 17, 4095], depth: 16 })
  const bits = png({ width: 2, samples: [0, 1, 0, 1], depth: 1 })
  const palette = png({ width: 2, samples: [0, 1, 0, 1], depth: 1, colour: PALETTE })
  const folder = await folderOf(t, {
    ...pair('a'),
    ...pair('b'),
    ...pair('c'),
    'images/a.png': deep,
    'images/b.png': bits,
    'images/c.png': palette,
  })
  const { problems } = await inspectDataset(specOf(), folder)
  assert.deepEqual(
    problems.map(({ message, fatal }) => [message, fatal]),
    [
      [
        '1 image of 16 bits a channel: the model sees the high byte (the value divided by 256), here up to level 15 of 255: a',
        false,
      ],
      ['1 image of fewer than 8 bits: the values are spread over 0 to 255: b', false],
    ],
  )
})

test('the report for people is short, errors before warnings', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`images/lonely-${i}.png`, image]))
  const folder = await folderOf(t, { ...pair('a'), ...pair('b'), ...pair('c'), ...many, 'masks/z.png': mask })
  const lines = formatReport('site-a', await inspectDataset(specOf(), folder)).split('\n')
  assert.equal(lines[0], 'site-a: 3 images of 2x2: 2 to train on, 1 held out')
  assert.equal(lines[1], '  labels 1 (25.0 % of pixels, 3 images), 2 (50.0 % of pixels, 3 images)')
  assert.equal(
    lines[2],
    '  error: images/lonely-0.png has no mask. Add masks/lonely-0.png, or take the image away.',
  )
  assert.equal(lines[10], '  error: 4 more like these')
  assert.match(lines[11]!, /^ {2}warning: 1 mask without an image .*: masks\/z\.png\. Add/)
  assert.equal(lines.length, 12)
})
