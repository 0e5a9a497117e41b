// Folders are created with their parents, and where that is impossible the caller hears why at once.
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

test('the folder exists afterwards, and the first missing one is named', async () => {
  assert.equal(await makeFolders(join(dir, 'a', 'b', 'c')), join(dir, 'a'))
  assert.ok((await stat(join(dir, 'a', 'b', 'c'))).isDirectory())
  assert.equal(await makeFolders(join(dir, 'a', 'b', 'd')), join(dir, 'a', 'b', 'd'))
  assert.equal(await makeFolders(join(dir, 'a')), undefined)
})

test('a link to a folder is a folder', async () => {
  await makeFolders(join(dir, 'real'))
  await symlink(join(dir, 'real'), join(dir, 'link'))
  assert.equal(await makeFolders(join(dir, 'link', 'below')), join(dir, 'link', 'below'))
})

test('a file in the way is an error', async () => {
  await writeFile(join(dir, 'file'), '')
  await assert.rejects(makeFolders(join(dir, 'file')), { code: 'EEXIST' })
  await assert.rejects(makeFolders(join(dir, 'file', 'below')), { code: 'ENOTDIR' })
})

test('a file system that holds no folder of ours says so at once', async () => {
  // Linux answers ENOENT for a folder in /proc. Systems without /proc refuse a folder in their root.
  await assert.rejects(makeFolders('/proc/fedsam'))
  await assert.rejects(makeFolders('/proc/fedsam/below'))
})
