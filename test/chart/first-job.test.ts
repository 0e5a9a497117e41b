// The job of the notes, charts/fedsam/files/quickstart.yaml: the command line runs it as it is, and it learns what it should.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSafetensors } from '#protocol/safetensors.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { CHART } from './helm.ts'

test('three sites, of which each sees a part of the line, learn y = 2x + 1', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-first-job-'))
  try {
    const job = join(CHART, 'files/quickstart.yaml')
    const { code, stderr } = await startFedsam(folder, ['run', job, '--output', 'run'])
    assert.equal(code, 0, stderr)
    const [line, ...others] = readSafetensors(await readFile(join(folder, 'run/output/model.safetensors')))
    assert.deepEqual(others, [])
    const [slope, intercept] = new Float32Array(Uint8Array.from(line!.data).buffer)
    assert.ok(Math.abs(slope! - 2) < 0.05, `slope ${slope}`)
    assert.ok(Math.abs(intercept! - 1) < 0.05, `intercept ${intercept}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
