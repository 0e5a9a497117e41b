// The cache of compiled sources is bounded.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { compileCache } from './compiled.ts'

test('a folder with too many entries is emptied, and another is kept', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'fedsam-compiled-'))
  t.after(() => rm(cache, { recursive: true }))
  const folder = await compileCache({ XDG_CACHE_HOME: cache })
  assert.equal(folder, join(cache, 'fedsam', 'compiled-tests'))
  await mkdir(join(folder, 'v24'), { recursive: true })
  for (const name of ['a', 'b']) await writeFile(join(folder, 'v24', name), '')
  await compileCache({ XDG_CACHE_HOME: cache }, 3)
  assert.deepEqual(await readdir(join(folder, 'v24')), ['a', 'b'])
  await compileCache({ XDG_CACHE_HOME: cache }, 2)
  await assert.rejects(readdir(folder), { code: 'ENOENT' })
})

test('a folder that the environment names is taken', async () => {
  assert.equal(await compileCache({ NODE_COMPILE_CACHE: '/nowhere/at/all' }), '/nowhere/at/all')
})
