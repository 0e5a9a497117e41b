// The behaviour of a folder alone: crashed writers, the cleaning of what they left, and read-only folders.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createGrantedTransfers } from '../../grants/transfers.ts'
import { openFilesystemStore } from './store.ts'

async function withFolder(check: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-filesystem-'))
  await check(folder).finally(() => rm(folder, { recursive: true }))
}

const files = (folder: string): Promise<string[]> => readdir(folder, { recursive: true })
const DAY_S = 24 * 60 * 60

test('an object is a file under its key, and a write leaves no other file', async () => {
  await withFolder(async (folder) => {
    for (const durable of [true, false]) {
      const store = await openFilesystemStore({ folder, durable })
      await store.put(`a/${durable}.json`, Buffer.from('{}'))
    }
    assert.deepEqual(
      new Set(await files(folder)),
      new Set(['a', 'a/true.json', 'a/false.json', '.store~', '.store~/temporary']),
    )
  })
})

test('opening and reading create no file', async () => {
  await withFolder(async (folder) => {
    const store = await openFilesystemStore({ folder: join(folder, 'absent') })
    assert.equal(await store.get('a'), undefined)
    await store.delete('a/b')
    assert.deepEqual(await files(folder), [])
  })
})

test('a writer that is killed leaves a temporary file only', async () => {
  await withFolder(async (folder) => {
    const program = `
      import { openFilesystemStore } from './store.ts'
      const store = await openFilesystemStore({ folder: ${JSON.stringify(folder)} })
      async function* endless() {
        for (;;) {
          yield new Uint8Array(1000)
          process.stdout.write('.')
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
      await store.write('a/b', 1e12, endless())`
    const args = ['--input-type=module-typescript', '-e', program]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: import.meta.dirname,
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const left = await files(folder)
    assert.equal(left.filter((name) => name.startsWith('.store~/temporary/')).length, 1)
    assert.ok(left.every((name) => name.startsWith('.store~')))
    const store = await openFilesystemStore({ folder })
    assert.equal(await store.put('a/b', Buffer.from('x')), 'Created')
  })
})

test('temporary files of crashed writers are deleted when they are old, and not before', async () => {
  await withFolder(async (folder) => {
    const temporary = join(folder, '.store~', 'temporary')
    const first = await openFilesystemStore({ folder })
    const uploads = [await first.openUpload('a'), await first.openUpload('b')]
    await mkdir(temporary, { recursive: true })
    for (const name of ['old', 'new']) await writeFile(join(temporary, name), name)
    const now = Date.now() / 1000
    await utimes(join(temporary, 'old'), now, now - 1.1 * DAY_S)
    await utimes(join(folder, '.store~', 'uploads', uploads[0] ?? ''), now, now - 8 * DAY_S)
    await openFilesystemStore({ folder })
    assert.deepEqual(await readdir(temporary), ['new'])
    assert.deepEqual(await readdir(join(folder, '.store~', 'uploads')), [uploads[1]])
  })
})

test('opening a store deletes nothing through a link, and a strict store deletes nothing at all', async () => {
  for (const linked of ['.store~', '.store~/temporary', '.store~/uploads', '']) {
    await withFolder(async (folder) => {
      const [foreign, record] = [join(folder, 'foreign'), join(folder, 'record')]
      const old =
        linked === '' ? join(record, '.store~', 'temporary', 'old') : join(foreign, 'uploads', 'old')
      for (const path of [join(foreign, 'uploads'), dirname(old), dirname(join(record, linked))])
        await mkdir(path, { recursive: true })
      const target = linked === '.store~' ? foreign : join(foreign, 'uploads')
      if (linked !== '') await symlink(target, join(record, linked))
      await writeFile(old, 'x')
      await utimes(old, 0, 0)
      await openFilesystemStore({ folder: record, strict: linked === '' })
      await assert.doesNotReject(stat(old), linked)
    })
  }
})

test('a folder is deleted with its last object, without disturbing concurrent writers', async () => {
  await withFolder(async (folder) => {
    const store = await openFilesystemStore({ folder, durable: false })
    for (let round = 0; round < 20; round++) {
      await store.put('a/b/c', Buffer.from('x'))
      const writes = [store.put('a/b/d', Buffer.from('y')), store.put(`a/b/e${round}`, Buffer.from('z'))]
      await Promise.all([store.delete('a/b/c'), ...writes])
      await Promise.all([store.delete('a/b/d'), store.delete(`a/b/e${round}`)])
    }
    assert.ok(!(await files(folder)).includes('a'))
  })
})

test('a file in the place of a key’s folder is an error that names it', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'a'), '')
    const store = await openFilesystemStore({ folder })
    await assert.rejects(store.put('a/b', Buffer.from('x')), {
      code: 'StorageUnreachable',
      message: /ENOTDIR|EEXIST/,
    })
    assert.equal(await store.get('a/b'), undefined)
    assert.deepEqual(await readdir(join(folder, '.store~', 'temporary')), [])
  })
})

test('another process redeems a grant, with the secret of the folder', async () => {
  await withFolder(async (folder) => {
    const [one, two] = await Promise.all([openFilesystemStore({ folder }), openFilesystemStore({ folder })])
    await one.put('a', Buffer.from('x'))
    const transfers = createGrantedTransfers()
    const grants = await Promise.all([one, two, one, two].map((store) => store.grantRead('a', 60)))
    for (const grant of grants) assert.equal(Buffer.from(await transfers.read(grant)).toString(), 'x')
    assert.equal((await stat(join(folder, '.store~', 'secret'))).mode & 0o777, 0o600)
  })
})

test('a store refuses a link in the place of an object, and a strict store a linked folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-links-'))
  try {
    const store = await openFilesystemStore({ folder })
    await store.put('real/object', new Uint8Array(3))
    await symlink('object', join(folder, 'real', 'link'))
    await symlink('real', join(folder, 'linked'))
    const strict = await openFilesystemStore({ folder, strict: true })
    for (const one of [store, strict]) {
      await assert.rejects(one.get('real/link'), { code: 'RecordDamaged', message: /real\/link is a link/ })
      await assert.rejects(one.size('real/link'), { code: 'RecordDamaged' })
      assert.equal((await one.get('real/object'))?.length, 3)
    }
    assert.equal((await store.get('linked/object'))?.length, 3)
    await assert.rejects(strict.get('linked/object'), { code: 'RecordDamaged' })
    await assert.rejects(strict.size('linked/object'), { code: 'RecordDamaged' })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
