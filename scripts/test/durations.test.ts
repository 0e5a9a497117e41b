// Durations of earlier runs: kept, added to, and worth no failure.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addDurations, durationsFile, NO_DURATIONS, readDurations } from './durations.ts'

test('durations add to those of earlier runs, and newer ones replace them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-durations-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = durationsFile({ XDG_CACHE_HOME: folder })
  assert.deepEqual(await readDurations(file), NO_DURATIONS)
  await addDurations(file, { parts: { Helm: 100 }, files: { 'a.test.ts': 1, 'b.test.ts': 2 } })
  await addDurations(file, { parts: {}, files: { 'b.test.ts': 3 } })
  assert.deepEqual(await readDurations(file), {
    parts: { Helm: 100 },
    files: { 'a.test.ts': 1, 'b.test.ts': 3 },
  })
  for (const damaged of [
    '{',
    '[]',
    '{"parts":{},"files":{"a.test.ts":"1"}}',
    '{"parts":{},"files":{"a":-1}}',
  ]) {
    await writeFile(file, damaged)
    assert.deepEqual(await readDurations(file), NO_DURATIONS, damaged)
  }
})

test('a cache that cannot be written fails nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-durations-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'fedsam'), 'a file in the place of the folder')
  await addDurations(durationsFile({ XDG_CACHE_HOME: folder }), { parts: { Helm: 1 }, files: {} })
})
