// Checkpoint folders: one file, shards, half precision, either name of the tied tensor; every fault is named.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fromFloat32, toFloat32 } from '#protocol/half.ts'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { POSITIONAL, POSITIONAL_ALIAS } from '#protocol/segment-anything.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { goldenFolder } from '#test/fidelity/golden.ts'
import { readCheckpoint } from './checkpoint.ts'
import { readProcessor } from './processor-file.ts'

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
  await refused(/model\.safetensors cannot be used: it does not exist/)
  await writeFile(join(folder, 'config.json'), '{')
  await refused(/config\.json is not JSON/)
})

test('files that are no regular files, or too large, are refused by name', async () => {
  const hostile: [string, (path: string) => unknown, RegExp][] = [
    ['config.json', fifo, /config\.json cannot be used: it is not a regular file/],
    [
      'config.json',
      (path) => symlink('/dev/zero', path),
      /config\.json cannot be used: it is not a regular file/,
    ],
    ['config.json', (path) => mkdir(path), /config\.json cannot be used: it is a folder/],
    ['config.json', huge, /config\.json cannot be used: it has 2147483648 bytes, and at most 1048576/],
    ['model.safetensors', fifo, /model\.safetensors cannot be used: it is not a regular file/],
    ['model.safetensors', (path) => symlink('/dev/zero', path), /model\.safetensors cannot be used/],
    ['model.safetensors', huge, /model\.safetensors cannot be used: The header/],
    ['model.safetensors.index.json', fifo, /index\.json cannot be used: it is not a regular file/],
  ]
  for (const [name, place, message] of hostile) {
    await write(TENSORS)
    await rm(join(folder, name), { recursive: true, force: true })
    await place(join(folder, name))
    await refused(message)
    await rm(join(folder, name), { recursive: true })
  }
})

function fifo(path: string): void {
  execFileSync('mkfifo', [path])
}

async function huge(path: string): Promise<void> {
  await writeFile(path, '')
  await truncate(path, 2 ** 31)
}

test('a configuration of 100 million layers is refused by field, before its tensors are listed', async () => {
  await write(TENSORS)
  const config = JSON.parse(golden.configJson)
  config.vision_config.num_hidden_layers = 1e8
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  await refused(/config\.json does not .*: vision_config\.num_hidden_layers is 100000000 where/)
})

test('links to the files of a checkpoint are followed, as a cache of the Hub has them', async () => {
  await write(TENSORS)
  await mkdir(join(folder, 'blobs'))
  for (const name of ['config.json', 'model.safetensors']) {
    await rename(join(folder, name), join(folder, 'blobs', name))
    await symlink(join('blobs', name), join(folder, name))
  }
  assert.equal((await readCheckpoint(folder)).tensors.size, TENSORS.length)
})

test('a processor must make images of the size that the model takes', async () => {
  const { config } = golden
  const path = join(folder, 'preprocessor_config.json')
  const side = (pixels: number) => JSON.stringify({ size: { longest_edge: pixels } })
  const noProcessor = (message: RegExp) =>
    assert.rejects(readProcessor(folder, config), { code: 'BadCheckpoint', message })
  await noProcessor(/preprocessor_config\.json is missing/)
  await writeFile(path, side(config.vision.imageSize))
  assert.equal((await readProcessor(folder, config)).side, config.vision.imageSize)
  await writeFile(path, side(1024))
  await noProcessor(/makes images of 1024 pixels, but config\.json describes a model of 128/)
  await writeFile(path, side(1e9))
  await noProcessor(/size\.longest_edge/)
  await writeFile(path, '{')
  await noProcessor(/is not JSON/)
  await rm(path)
  fifo(path)
  await noProcessor(/is not a regular file/)
})
