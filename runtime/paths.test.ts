// What a path names: a file, a folder, a link to one, or nothing.
import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exists, isExecutable } from './paths.ts'

test('files, folders, links, and nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-paths-'))
  t.after(() => rm(folder, { recursive: true }))
  const at = (name: string): string => join(folder, name)
  await writeFile(at('data'), '')
  await writeFile(at('program'), '', { mode: 0o755 })
  await symlink('program', at('to-program'))
  await symlink('none', at('to-none'))
  const seen = async (path: string) => [await exists(path), await isExecutable(path)]
  assert.deepEqual(await seen(folder), [true, true])
  assert.deepEqual(await seen(at('data')), [true, false])
  assert.deepEqual(await seen(at('program')), [true, true])
  assert.deepEqual(await seen(at('to-program')), [true, true])
  assert.deepEqual(await seen(at('to-none')), [false, false])
  assert.deepEqual(await seen(at('none')), [false, false])
})
