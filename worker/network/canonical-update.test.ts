// Conversion of a trainer's file to the canonical form that is uploaded.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import { readFully } from '#runtime/file-bytes.ts'
import { vector } from '#test/payloads.ts'
import { openUpdate } from './canonical-update.ts'

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

/** The bytes of the update. */
async function canonical(base: string | null): Promise<Uint8Array> {
  const update = await openUpdate(file, base)
  try {
    return await readFully(update.handle, 0, new Uint8Array(update.size))
  } finally {
    await update.close()
  }
}

const A = vector('a', 'F32', [1, 2, 3])
const B = vector('b', 'F64', [4, 5])
const EMPTY = vector('c', 'F32', [])

test('another order, metadata and padding result in the same bytes', async () => {
  await writeFile(file, foreign([B, EMPTY, A]))
  const update = await canonical(null)
  assert.deepEqual(update, new Uint8Array(writeSafetensors([A, B, EMPTY])))
  assert.deepEqual(
    readSafetensors(update).map(({ name }) => name),
    ['a', 'b', 'c'],
  )
})

test('a canonical file is used without a copy', async () => {
  await writeFile(file, writeSafetensors([A, B]))
  const { ino } = await stat(file)
  const update = await openUpdate(file, null)
  assert.equal((await update.handle.stat()).ino, ino)
  await update.close()
})

test('16-bit floats are widened exactly where the run has float32; other tensors stay', async () => {
  const base = join(folder, 'base.safetensors')
  await writeFile(base, writeSafetensors([A, vector('b', 'F16', [1]), vector('n', 'I64', [1])]))
  const update = [
    vector('n', 'I64', [2]),
    vector('b', 'F16', [0.5]),
    vector('a', 'BF16', [1.5, -2, 2 ** -130]),
  ]
  await writeFile(file, foreign(update))
  const widened = await canonical(base)
  const wanted = [
    vector('a', 'F32', [1.5, -2, 2 ** -130]),
    vector('b', 'F16', [0.5]),
    vector('n', 'I64', [2]),
  ]
  assert.deepEqual(widened, new Uint8Array(writeSafetensors(wanted)))
  // Larger than one step of the copy.
  const many = Float16Array.from({ length: 700_001 }, (_, i) => i % 2048)
  await writeFile(base, writeSafetensors([vector('a', 'F32', many)]))
  await writeFile(file, writeSafetensors([vector('a', 'F16', many)]))
  assert.deepEqual(await canonical(base), new Uint8Array(writeSafetensors([vector('a', 'F32', many)])))
})

test('a missing file and a file that is not safetensors are faults of the trainer', async () => {
  await assert.rejects(openUpdate(file, null), { code: 'TrainerFailed', message: /wrote no parameters/ })
  for (const body of ['', 'short', 'a text that is no safetensors at all, though long enough']) {
    await writeFile(file, body)
    await assert.rejects(openUpdate(file, null), {
      code: 'TrainerFailed',
      message: /not a safetensors file/,
    })
  }
})

const elsewhere = (): string => join(folder, 'elsewhere')

/** Files that a trainer may put in the place of its output, and the expected message. */
const IMPOSTORS: readonly [what: string, leave: () => unknown, says: RegExp][] = [
  ['a link to a file', () => symlink(elsewhere(), file), /is a link/],
  ['a link to nothing', () => symlink('/nowhere', file), /is a link/],
  ['a link to itself', () => symlink(file, file), /is a link/],
  ['a FIFO', () => execFileSync('mkfifo', [file]), /is a FIFO/],
  ['a folder', () => mkdir(file), /is a folder/],
  ['a device', () => symlink('/dev/zero', file), /is a link/],
  ['a hard link', () => link(elsewhere(), file), /is a hard link: the file has 2 names/],
]

for (const [what, leave, says] of IMPOSTORS) {
  test(`${what} in the place of the output is refused at once, with the reason`, async () => {
    await writeFile(elsewhere(), writeSafetensors([A]))
    await leave()
    await assert.rejects(openUpdate(file, null), { code: 'TrainerFailed', message: says })
  })

  test(`${what} in the place of the copy is replaced, and never written to`, async () => {
    const name = file
    const before = writeSafetensors([vector('x', 'F32', [9])])
    await writeFile(elsewhere(), before)
    file = `${name}.canonical`
    await leave()
    file = name
    await writeFile(file, foreign([B, A]))
    assert.deepEqual(await canonical(null), new Uint8Array(writeSafetensors([A, B])))
    assert.deepEqual(new Uint8Array(await readFile(elsewhere())), new Uint8Array(before))
    assert.deepEqual((await readdir(folder)).sort(), ['elsewhere', 'update.safetensors'])
  })
}

test('an output of more than twice the model is refused before it is read', async () => {
  const base = join(folder, 'base.safetensors')
  await writeFile(base, writeSafetensors([A]))
  await writeFile(file, writeSafetensors([A]))
  await truncate(file, 2 ** 40)
  await assert.rejects(openUpdate(file, base), { code: 'TrainerFailed', message: /the limit is \d+ bytes/ })
})

test('a file that gets the path later is not read; a later write to the same file is detected', async () => {
  await writeFile(file, writeSafetensors([A]))
  const update = await openUpdate(file, null)
  await rename(file, elsewhere())
  await symlink('/etc/passwd', file)
  await update.check()
  const bytes = await readFully(update.handle, 0, new Uint8Array(update.size))
  assert.deepEqual(bytes, new Uint8Array(writeSafetensors([A])))
  await appendFile(elsewhere(), 'more')
  await assert.rejects(update.check(), { code: 'TrainerFailed', message: /changed while it was read/ })
  await update.close()
})
