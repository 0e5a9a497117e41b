// Digests of files and of their first bytes, across the steps of reading.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { hashFile, sha256OfFile } from './file-digest.ts'

test('a file, its first bytes, and no file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-digest-'))
  t.after(() => rm(folder, { recursive: true }))
  const content = Buffer.from(Uint8Array.from({ length: 600_000 }, (_, at) => at % 251))
  const file = join(folder, 'file')
  await writeFile(file, content)
  assert.equal(await sha256OfFile(file), sha256(content))
  for (const most of [0, 1, 5, 262_144, 262_145, 599_999, 600_000, 700_000]) {
    const hash = createHash('sha256')
    assert.equal(await hashFile(file, hash, most), Math.min(most, content.length), `${most} bytes`)
    assert.equal(hash.digest('hex'), sha256(content.subarray(0, most)), `${most} bytes`)
  }
  assert.equal(await sha256OfFile(join(folder, 'none')), sha256(''))
})
