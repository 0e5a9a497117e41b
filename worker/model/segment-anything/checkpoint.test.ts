// Checkpoint folders: one file, shards, half precision, either name of the tied tensor; every fault is named.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fromFloat32, toFloat32 } from '#protocol/half.ts'
import { writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { goldenFolder } from '#test/fidelity/golden.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { POSITIONAL, POSITIONAL_ALIAS } from './tensor-names.ts'

const GOLDEN = goldenFolder('tiny-a')
const golden = await readCheckpoint(GOLDEN)
const TENSORS = [...golden.tensors.values()]
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-checkpoint-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A folder with these weights and tiny-a's configuration. */
async function write(tensors: readonly Tensor[]): Promise<void> {
  await writeFile(join(folder, 'config.json'), golden.configJson)
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors))
}

const refused = (message: RegExp) =>
  assert.rejects(readCheckpoint(folder), { name: 'FedsamError', code: 'BadCheckpoint', message })

test('what is written is what the reference wrote, byte for byte', async () => {
  await writeCheckpoint(folder, golden)
  for (const file of ['config.json', 'model.safetensors'])
    assert.deepEqual(await readFile(join(folder, file)), await readFile(join(GOLDEN, file)))
})

test('shards are read by their index', async () => {
  const halves = [TENSORS.slice(0, 90), TENSORS.slice(90)]
  const map: Record<string, string> = {}
  for (const [i, tensors] of halves.entries()) {
    await writeFile(join(folder, `part-${i}.safetensors`), writeSafetensors(tensors))
    for (const { name } of tensors) map[name] = `part-${i}.safetensors`
  }
  await writeFile(join(folder, 'config.json'), golden.configJson)
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
  const { tensors } = await readCheckpoint(folder)
  assert.deepEqual(new Set(tensors.keys()), new Set(golden.tensors.keys()))
  await writeFile(
    join(folder, 'model.safetensors.index.json'),
    '{"weight_map":{"a":"../outside.safetensors"}}',
  )
  await refused(/names no usable shards/)
})

test('half precision is read and kept', async () => {
  for (const dtype of ['F16', 'BF16'] as const) {
    await write(TENSORS.map((tensor) => ({ ...tensor, dtype, data: fromFloat32(toFloat32(tensor), dtype) })))
    const { tensors } = await readCheckpoint(folder)
    const token = tensors.get('mask_decoder.iou_token.weight')!
    assert.equal(token.dtype, dtype)
    const exact = toFloat32(golden.tensors.get(token.name)!)
    toFloat32(token).forEach((value, i) => {
      assert.ok(Math.abs(value - exact[i]!) <= Math.abs(exact[i]!) / 128)
    })
  }
})

test('the tied positional embedding is found under either name, or both', async () => {
  const alias = { ...golden.tensors.get(POSITIONAL)!, name: POSITIONAL_ALIAS }
  const others = TENSORS.filter(({ name }) => name !== POSITIONAL)
  for (const tensors of [
    [...others, alias],
    [...TENSORS, alias],
  ]) {
    await write(tensors)
    assert.deepEqual((await readCheckpoint(folder)).tensors.get(POSITIONAL)!.data, alias.data)
  }
})

test('missing, extra and misshapen tensors are named, all at once', async () => {
  const [first, second, ...others] = TENSORS
  const misshapen: Tensor = { ...second!, shape: [1, ...second!.shape] }
  const extra: Tensor = { name: 'adapter.weight', shape: [1], dtype: 'F32', data: new Uint8Array(4) }
  await write([misshapen, extra, ...others])
  await refused(
    new RegExp(
      `missing tensors: ${first!.name}; extra tensors: adapter.weight; misshapen: ${second!.name} is`,
    ),
  )
  await write([{ ...first!, dtype: 'I32' }, second!, ...others])
  await refused(/has dtype I32 where F32, F16 or BF16 is needed/)
  await write([])
  await refused(/missing tensors: .+ and 197 more/)
})

test('a folder without weights, without or with a broken configuration, a truncated file', async () => {
  await refused(/config\.json is missing/)
  await write(TENSORS)
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(TENSORS).subarray(0, -1))
  await refused(/model\.safetensors cannot be used: The file has/)
  await writeFile(join(folder, 'model.safetensors'), '')
  await refused(/fewer than 8/)
  await unlink(join(folder, 'model.safetensors'))
  await refused(/it cannot be opened/)
  await writeFile(join(folder, 'config.json'), '{')
  await refused(/config\.json is not JSON/)
})
