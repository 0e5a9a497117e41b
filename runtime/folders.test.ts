// makeFolders creates folders with their parents, and fails at once where that is impossible.
import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeFolders } from './folders.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-folders-'))
})
after(() => rm(dir, { recursive: true, force: true }))

test('creates the folder, and returns the first one that was missing', async () => {
  assert.equal(await makeFolders(join(dir, 'a', 'b', 'c')), join(dir, 'a'))
  assert.ok((await stat(join(dir, 'a', 'b', 'c'))).isDirectory())
  assert.equal(await makeFolders(join(dir, 'a', 'b', 'd')), join(dir, 'a', 'b', 'd'))
  assert.equal(await makeFolders(join(dir, 'a')), undefined)
})

test('takes a link to a folder for a folder', async () => {
  await makeFolders(join(dir, 'real'))
  await symlink(join(dir, 'real'), join(dir, 'link'))
  assert.equal(await makeFolders(join(dir, 'link', 'below')), join(dir, 'link', 'below'))
})

test('fails where a file has the name', async () => {
  await writeFile(join(dir, 'file'), '')
  await assert.rejects(makeFolders(join(dir, 'file')), { code: 'EEXIST' })
  await assert.rejects(makeFolders(join(dir, 'file', 'below')), { code: 'ENOTDIR' })
})

test('fails at once on a file system that can hold no folder of ours', async () => {
  // Linux answers ENOENT for a folder in /proc. Systems without /proc refuse a folder in their root.
  await assert.rejects(makeFolders('/proc/fedsam'))
  await assert.rejects(makeFolders('/proc/fedsam/below'))
})
