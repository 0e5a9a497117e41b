// The file with a site's key: made once, private, and refused where others can read it.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { siteKey } from './key.ts'

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-key-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a key is made once, in a file that only its owner may read', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'site.key')
    const made = await siteKey(file)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const bytes = await readFile(file)
    assert.equal((await siteKey(file)).publicKey, made.publicKey)
    assert.deepEqual(await readFile(file), bytes)
  }))

test('a key that other users may read is refused, and the message names the file', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'site.key')
    await siteKey(file)
    for (const mode of [0o640, 0o604]) {
      await chmod(file, mode)
      await assert.rejects(siteKey(file), {
        code: 'InvalidJob',
        message: `other users may read the key file ${file}`,
      })
    }
  }))

test('a folder that does not exist is the fault of the name, with a remedy', () =>
  inFolder(async (folder) => {
    await assert.rejects(siteKey(join(folder, 'missing', 'site.key')), { code: 'InvalidJob' })
  }))
