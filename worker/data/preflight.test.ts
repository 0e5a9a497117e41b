// What the preflight finds: counts on a good data set, and one named problem for each way to get it wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { folderOf, png, specOf } from './example-files.ts'
import { inspectDataset } from './preflight.ts'
import { formatReport } from './report.ts'

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
    [['the mask of s3 is empty; the image is left out', false]],
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
    message: 'the folder data/images is not a folder',
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
    file: 'masks/b.png',
    list: 'unpairedMasks',
    fatal: false,
    message: 'masks/b.png has no image of the same name in images; it is left out',
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
    file: 'images/a.tif',
    fatal: false,
    message: 'images/a.tif is neither a PNG nor a JPEG file; it is left out',
  },
  {
    name: 'mask of another size',
    files: { ...pair('a'), 'masks/a.png': png({ width: 1, samples: [1, 1] }) },
    file: 'masks/a.png',
    list: 'otherSize',
    message: 'masks/a.png is 1x2 pixels, its image 2x2',
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
    message: 'no mask holds one of the labels 7; they hold the values 0, 1, 2',
  },
  {
    name: 'nothing but background',
    files: { ...pair('a'), 'masks/a.png': empty },
    field: 'labels',
    message: 'no mask holds a non-zero pixel',
  },
  {
    name: 'one of several labels absent',
    files: { ...pair('a'), ...pair('b') },
    spec: { labels: [2, 9] },
    field: 'labels',
    fatal: false,
    message: 'no mask holds the label 9; they hold the values 0, 1, 2',
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
    message: 'a single usable image is trained on, so none is held out to evaluate with',
  },
]

for (const { name, files, spec, message, field, file, list, fatal = true } of WRONG) {
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
    if (list) assert.deepEqual(report[list], [file])
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
  assert.equal(lines[10], '  … and 4 more of the kind error')
  assert.match(lines[11]!, /^ {2}warning: masks\/z\.png has no image/)
  assert.equal(lines.length, 12)
})
