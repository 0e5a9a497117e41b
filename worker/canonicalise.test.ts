// A trainer's file in the one form that is uploaded.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import { vector } from '#test/payloads.ts'
import { canonicalise } from './canonicalise.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-canonicalise-'))
  file = join(folder, 'update.safetensors')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Safetensors as another library writes it: any order, metadata, a header padded with spaces. */
function foreign(tensors: ReturnType<typeof vector>[]): Uint8Array {
  let at = 0
  const entries = tensors.map(({ name, dtype, shape, data }) => {
    const begin = at
    at += data.length
    return [name, { dtype, shape, data_offsets: [begin, at] }]
  })
  const text = JSON.stringify(Object.fromEntries([['__metadata__', { format: 'pt' }], ...entries]))
  const header = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8 + 8))
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true)
  return Buffer.concat([length, header, ...tensors.map(({ data }) => data)])
}

const A = vector('a', 'F32', [1, 2, 3])
const B = vector('b', 'F64', [4, 5])
const EMPTY = vector('c', 'F32', [])

test('another order, metadata and padding come to the same bytes', async () => {
  await writeFile(file, foreign([B, EMPTY, A]))
  await canonicalise(file, null)
  assert.deepEqual(new Uint8Array(await readFile(file)), new Uint8Array(writeSafetensors([A, B, EMPTY])))
  assert.deepEqual(
    readSafetensors(await readFile(file)).map(({ name }) => name),
    ['a', 'b', 'c'],
  )
})

test('what has that form already is not written again', async () => {
  await writeFile(file, writeSafetensors([A, B]))
  const { ino } = await stat(file)
  await canonicalise(file, null)
  assert.equal((await stat(file)).ino, ino)
})

test('16-bit floats where the run has float32 are widened, exactly; everything else stays', async () => {
  const base = join(folder, 'base.safetensors')
  await writeFile(base, writeSafetensors([A, vector('b', 'F16', [1]), vector('n', 'I64', [1])]))
  const update = [
    vector('n', 'I64', [2]),
    vector('b', 'F16', [0.5]),
    vector('a', 'BF16', [1.5, -2, 2 ** -130]),
  ]
  await writeFile(file, foreign(update))
  await canonicalise(file, base)
  const wanted = [
    vector('a', 'F32', [1.5, -2, 2 ** -130]),
    vector('b', 'F16', [0.5]),
    vector('n', 'I64', [2]),
  ]
  assert.deepEqual(new Uint8Array(await readFile(file)), new Uint8Array(writeSafetensors(wanted)))
  // Longer than one step of the copy.
  const many = Float16Array.from({ length: 700_001 }, (_, i) => i % 2048)
  await writeFile(base, writeSafetensors([vector('a', 'F32', many)]))
  await writeFile(file, writeSafetensors([vector('a', 'F16', many)]))
  await canonicalise(file, base)
  assert.deepEqual(
    new Uint8Array(await readFile(file)),
    new Uint8Array(writeSafetensors([vector('a', 'F32', many)])),
  )
})

test('no file, and no safetensors, are the fault of the trainer', async () => {
  await assert.rejects(canonicalise(file, null), { code: 'TrainerFailed', message: /wrote no parameters/ })
  for (const body of ['', 'short', 'a text that is no safetensors at all, though long enough']) {
    await writeFile(file, body)
    await assert.rejects(canonicalise(file, null), {
      code: 'TrainerFailed',
      message: /not a safetensors file/,
    })
  }
})
