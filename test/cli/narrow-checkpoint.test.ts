// A checkpoint in 16-bit floats, from job file to exported checkpoint: small steps are not rounded away, and it is said.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type FloatDType, fromFloat32, toFloat32 } from '#protocol/half.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { startFedsam } from './fedsam.ts'
import { makeSamJob } from './sam-job.ts'

const SETS = ['backend=Wasm', 'learningRate=1e-5'].flatMap((set) => [
  '--set',
  `trainer.segmentAnything.${set}`,
])

const inDType = (tensor: Tensor, dtype: FloatDType): Tensor => {
  return { ...tensor, dtype, data: fromFloat32(toFloat32(tensor), dtype) }
}
const read = async (path: string): Promise<Map<string, Tensor>> =>
  new Map(readSafetensors(await readFile(join(dir, path))).map((tensor) => [tensor.name, tensor]))
/** One half of the decoder is in F16, the rest of the model in BF16. */
const dtypeOf = (name: string): FloatDType => (name.startsWith('mask_decoder.transformer.') ? 'F16' : 'BF16')

let dir = ''
let said = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-narrow-'))
  await makeSamJob(dir)
  const file = join(dir, 'sam/model.safetensors')
  const tensors = readSafetensors(await readFile(file)).map((tensor) => inDType(tensor, dtypeOf(tensor.name)))
  await writeFile(file, writeSafetensors(tensors))
  const { code, stdout, stderr } = await startFedsam(dir, ['run', 'job.yaml', '--output', 'out', ...SETS])
  assert.equal(code, 0, stderr)
  said = stdout
})
after(() => rm(dir, { recursive: true, force: true }))

test('trained tensors are stored as float32, the output contains the change, and the run reports it', async () => {
  assert.match(said, /round 0: \d+ tensors in BF16, \d+ tensors in F16 become float32 in this run/)
  const base = await read('sam/model.safetensors')
  const output = await read('out/output/model.safetensors')
  let elements = 0
  let moved = 0
  for (const tensor of output.values()) {
    assert.equal(tensor.dtype, 'F32', tensor.name)
    const from = toFloat32(base.get(tensor.name)!)
    const values = toFloat32(tensor)
    elements += values.length
    moved += values.filter((value, i) => value !== from[i]).length
  }
  // Adam moves every parameter with a gradient by about the learning rate; a bfloat16 above 0.005 would not change.
  assert.ok(moved > 0.8 * elements, `${moved} of ${elements} parameters moved`)
})

test('the plan counts transfers in float32', async () => {
  const { code, stdout, stderr } = await startFedsam(dir, ['plan', 'job.yaml', '--json', ...SETS])
  assert.equal(code, 0, stderr)
  const { length } = await readFile(join(dir, 'out/output/model.safetensors'))
  assert.equal(JSON.parse(stdout).plan.modelBytes, length)
})

test('an export contains the trained tensors as float32, and reports their original dtype', async () => {
  const { code, stdout, stderr } = await startFedsam(dir, ['export', 'out', '--to', 'wide'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /came as BF16 and F16 and are float32 here.*--dtype original/)
  const trained = await read('out/output/model.safetensors')
  for (const [name, tensor] of await read('wide/model.safetensors')) {
    const wanted = trained.get(name)
    assert.equal(tensor.dtype, wanted?.dtype ?? 'BF16', name)
    if (wanted !== undefined) assert.equal(Buffer.compare(tensor.data, wanted.data), 0, name)
  }
})

test('with --dtype original each trained tensor is rounded once to the dtype of the checkpoint', async () => {
  const args = ['export', 'out', '--to', 'narrow', '--dtype', 'original']
  const { code, stdout, stderr } = await startFedsam(dir, args)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /came as BF16 and F16; they are rounded to that once/)
  const trained = await read('out/output/model.safetensors')
  for (const [name, tensor] of await read('narrow/model.safetensors')) {
    assert.equal(tensor.dtype, dtypeOf(name), name)
    const wanted = trained.get(name)
    if (wanted === undefined) continue
    assert.equal(Buffer.compare(tensor.data, inDType(wanted, dtypeOf(name)).data), 0, name)
  }
})

test('another dtype is rejected', async () => {
  const { code, stderr } = await startFedsam(dir, ['export', 'out', '--to', 'other', '--dtype', 'bf16'])
  assert.equal(code, 2)
  assert.match(stderr, /--dtype bf16 is not supported: write float32 or original/)
})
