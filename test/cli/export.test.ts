// A real, if tiny, SAM from job file to exported checkpoint: only what trains has moved, and the result opens as a checkpoint.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readSafetensors } from '#protocol/safetensors.ts'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { startFedsam } from './fedsam.ts'
import { makeSamJob } from './sam-job.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-export-'))
  await makeSamJob(dir)
  const { code, stderr } = await startFedsam(dir, [
    'run',
    'job.yaml',
    '--output',
    'out',
    '--set',
    'trainer.segmentAnything.backend=Wasm',
  ])
  assert.equal(code, 0, stderr)
})
after(() => rm(dir, { recursive: true, force: true }))

test('the exported checkpoint is the base with the trained tensors in place', async () => {
  const { code, stdout, stderr } = await startFedsam(dir, ['export', 'out', '--to', 'sam-2'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /96 trained tensors of round 1 in sam/)
  const base = await readCheckpoint(join(dir, 'sam'))
  const made = await readCheckpoint(join(dir, 'sam-2'))
  const trained = readSafetensors(await readFile(join(dir, 'out/output/model.safetensors')))
  const names = trained.map(({ name }) => name)
  assert.deepEqual(names, exchangedTensors(['MaskDecoder'], [...base.tensors.keys()]))
  const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
  for (const [name, tensor] of made.tensors) {
    const from = trained.find((candidate) => candidate.name === name) ?? base.tensors.get(name)!
    assert.ok(same(tensor.data, from.data), name)
  }
  const moved = trained.filter(({ name, data }) => !same(data, base.tensors.get(name)!.data))
  assert.ok(moved.length > 90, `${moved.length} tensors moved`)
})

test('an export never overwrites', async () => {
  const { code, stderr } = await startFedsam(dir, ['export', 'out', '--to', 'sam'])
  assert.equal(code, 2)
  assert.match(stderr, /sam is not empty/)
})

test('a plan of the job gives the size of the model and the steps of each client', async () => {
  const { code, stdout } = await startFedsam(dir, ['plan', 'job.yaml', '--json'])
  assert.equal(code, 0)
  const { plan } = JSON.parse(stdout)
  const payload = await readFile(join(dir, 'out/output/model.safetensors'))
  assert.equal(plan.modelBytes, payload.length)
  assert.deepEqual(Object.keys(plan.steps), ['a', 'b'])
})
