// Keys in files: made once, kept, and readable by their owner only.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keptSigningKey, mountedSigningKey, newSigningKey } from './signing-key.ts'

test('a kept key is the same after a restart, and only its owner may read it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-key-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'key')
  const made = await Promise.all(Array.from({ length: 8 }, () => keptSigningKey(file)))
  const first = made[0]!.publicKey
  for (const key of [...made, await keptSigningKey(file)]) assert.equal(key.publicKey, first)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder), ['key'], 'no temporary file is left')
  assert.equal((await mountedSigningKey(file, 'FEDSAM_X')).publicKey, first)
  assert.notEqual(newSigningKey().publicKey, newSigningKey().publicKey)
})

test('a file with another length, and a missing mount, are named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-key-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'key')
  await assert.rejects(mountedSigningKey(file, 'FEDSAM_X'), {
    code: 'InvalidJob',
    message: /FEDSAM_X.*does not exist/,
  })
  await writeFile(file, 'short')
  await assert.rejects(keptSigningKey(file), { code: 'InvalidJob', message: /has 5 bytes; a key has 32/ })
})
