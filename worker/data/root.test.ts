// Hostile or broken files below a data set's root: each is refused, and the message names it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { folderOf, png, specOf } from '#test/given/data-files.ts'
import type { DatasetSpec } from './dataset.ts'
import { inspectDataset } from './preflight.ts'
import { listFolder, locate, MOST_PICTURE_BYTES, readFileWithin } from './root.ts'

const image = png({ width: 2, samples: [9, 8, 7, 6] })
const mask = png({ width: 2, samples: [0, 1, 1, 1] })
const instances = JSON.stringify({
  images: [{ id: 1, file_name: 'a.png', width: 2, height: 2 }],
  annotations: [{ image_id: 1, category_id: 1, segmentation: [[0, 0, 2, 0, 2, 1]] }],
})
const files = { 'images/a.png': image, 'masks/a.png': mask, 'instances.json': instances }
const LAYOUTS: [DatasetSpec, string[]][] = [
  [specOf(), ['images/a.png', 'masks/a.png']],
  [specOf({ layout: 'COCO', annotationsFile: 'instances.json' }), ['images/a.png', 'instances.json']],
]

/** Replaces each file of each layout by something else and expects a fatal problem that names it. */
function replaced(
  what: string,
  replace: (path: string, t: TestContext) => Promise<unknown>,
  message: RegExp,
): void {
  test(`rejected with its name: ${what}`, async (t) => {
    for (const [spec, names] of LAYOUTS) {
      for (const name of names) {
        const folder = await folderOf(t, files)
        await rm(join(folder, name))
        await replace(join(folder, name), t)
        const fatal = (await inspectDataset(spec, folder)).problems.filter((one) => one.fatal)
        assert.equal(fatal.length, 1, JSON.stringify(fatal))
        assert.ok(fatal[0]!.message.includes(name), fatal[0]!.message)
        assert.match(fatal[0]!.message, message)
        assert.match(fatal[0]!.remedy, /^[A-Z].*\.$/)
      }
    }
  })
}

const fifo = async (path: string): Promise<unknown> => execFileSync('mkfifo', [path])
const socket = (path: string, t: TestContext): Promise<void> =>
  new Promise((resolve) => {
    const server = createServer().listen(path, resolve)
    t.after(() => server.close())
  })

replaced('a FIFO', fifo, /is not a regular file \(it is a FIFO\)/)
replaced('a socket', socket, /is not a regular file \(it is a socket or a device without a driver\)/)
replaced('a folder', (path) => mkdir(path), /is a folder, not a file|does not exist/)
replaced('a link to a device', (path) => symlink('/dev/zero', path), /leads outside of the root/)
replaced('a link that leaves the root', (path) => symlink('/etc/hostname', path), /leads outside of the root/)
replaced('a link to nothing', (path) => symlink('nowhere', path), /does not exist/)
replaced('a link to itself', (path) => symlink(path, path), /cannot be read \(ELOOP\)/)
replaced(
  'a file of 2 GB',
  async (path) => {
    await writeFile(path, '')
    await truncate(path, 2 ** 31)
  },
  /has 2147483648 bytes, and at most/,
)

test('links within the root are followed, and the root itself may be a link', async (t) => {
  const folder = await folderOf(t, { ...files, 'store/b.png': image })
  await symlink('../store/b.png', join(folder, 'images/b.png'))
  await symlink('a.png', join(folder, 'masks/b.png'))
  const link = join(await folderOf(t, {}), 'link')
  await symlink(folder, link)
  const report = await inspectDataset(specOf({ heldOutFraction: 0 }), link)
  assert.deepEqual([report.split.train, report.problems], [['a', 'b'], []])
})

test('a path outside of the root is refused by its text', async (t) => {
  const folder = await folderOf(t, files)
  for (const path of ['..', '../x', 'images/../../x']) {
    await assert.rejects(locate(folder, path), { code: 'BadData', message: /leads outside of the root/ })
  }
  await assert.rejects(listFolder(folder, 'instances.json'), {
    code: 'BadData',
    message: 'is a file',
  })
  await assert.rejects(readFileWithin(folder, 'images', MOST_PICTURE_BYTES), { message: /is a folder/ })
})

test('an unreadable folder is rejected with a remedy: a circle of links, a file in its place', async (t) => {
  const folder = await folderOf(t, files)
  await symlink('circle', join(folder, 'circle'))
  await writeFile(join(folder, 'file'), '')
  for (const [annotationSubfolder, remedy] of [
    [
      'circle',
      /^Replace the links that lead in a circle by a folder, or correct dataset\.annotationSubfolder\.$/,
    ],
    ['file', /^Create a folder there, or correct dataset\.annotationSubfolder\.$/],
    ['absent', /^Create it, or correct dataset\.annotationSubfolder\.$/],
  ] as const) {
    const { problems } = await inspectDataset(specOf({ annotationSubfolder }), folder)
    assert.match(problems[0]!.remedy, remedy)
  }
})

test('a subfolder outside of the root is refused', async (t) => {
  const elsewhere = await folderOf(t, files)
  const folder = await folderOf(t, files)
  await symlink(join(elsewhere, 'masks'), join(folder, 'linked'))
  for (const annotationSubfolder of ['../masks', 'linked']) {
    const { problems } = await inspectDataset(specOf({ annotationSubfolder }), folder)
    assert.match(problems[0]!.message, /^the folder .* leads outside of the root/)
    assert.equal(problems[0]!.field, 'annotationSubfolder')
    assert.match(problems[0]!.remedy, /^Copy the file below dataset\.root/)
  }
})

test('names of folders and files match in any Unicode form', async (t) => {
  const [composed, decomposed] = ['ima\u0301genes', 'im\u00e1genes']
  const folder = await folderOf(t, { [`${decomposed}/${composed}.png`]: image })
  for (const path of [`${composed}/${decomposed}.png`, `${composed}/${composed}.png`]) {
    assert.deepEqual(await readFileWithin(folder, path, 1e6), new Uint8Array(image))
  }
})

test('a folder beside the root whose name begins like the root is outside of it', async (t) => {
  const parent = await folderOf(t, { 'site/images/a.png': image, 'site-b/secret.png': image })
  await symlink('../../site-b/secret.png', join(parent, 'site/images/b.png'))
  await assert.rejects(locate(join(parent, 'site'), 'images/b.png'), { message: /leads outside of the root/ })
})
