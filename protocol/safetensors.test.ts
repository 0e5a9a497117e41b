// The format against files that the reference wrote, round trips, and files that a hostile client might send.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  canonicalHeader,
  headerLength,
  layout,
  parseHeader,
  readSafetensors,
  SafetensorsError,
  writeSafetensors,
} from './safetensors.ts'
import type { Tensor } from './tensors.ts'

const bytesOf = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const TENSORS: Tensor[] = [
  { name: '7', shape: [2, 1], dtype: 'F32', data: bytesOf(1, 2) },
  { name: '3', shape: [], dtype: 'F32', data: bytesOf(3) },
  { name: '__proto__', shape: [0, 4], dtype: 'F32', data: new Uint8Array(0) },
  { name: 'ünïcode "quoted"', shape: [3], dtype: 'U8', data: Uint8Array.of(7, 8, 9) },
]

/** A file of any header text, and data of zeros. */
function file(header: string, dataBytes: number, claimed = Buffer.byteLength(header)): Uint8Array {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(header) + dataBytes)
  bytes.writeBigUInt64LE(BigInt(claimed))
  bytes.write(header, 8)
  return bytes
}

test('what is written is read again, in order, with odd names, scalars and empty tensors', () => {
  const bytes = writeSafetensors(TENSORS, { format: 'pt' })
  assert.deepEqual(
    readSafetensors(bytes).map(({ data, ...spec }) => ({ ...spec, data: Uint8Array.from(data) })),
    TENSORS,
  )
  assert.equal(parseHeader(bytes).metadata.format, 'pt')
  assert.equal(headerLength(bytes) % 8, 0)
})

test('the canonical header is the beginning of the file, and the layout says where tensors lie', () => {
  const bytes = writeSafetensors(TENSORS)
  const header = canonicalHeader(TENSORS)
  assert.deepEqual(bytes.subarray(0, header.length), header)
  const placed = parseHeader(bytes).tensors
  assert.deepEqual(
    layout(TENSORS).map(({ tensor, begin, end }) => [tensor.name, begin, end]),
    placed.map(({ name, begin, end }) => [name, begin, end]),
  )
  assert.deepEqual(parseHeader(header, bytes.length).tensors, placed)
})

test('a file of the reference writer is read, and written again byte for byte', () => {
  const bytes = new Uint8Array(
    readFileSync(new URL('../test/golden/sam/tiny-a/model.safetensors', import.meta.url)),
  )
  const tensors = readSafetensors(bytes)
  assert.equal(tensors.length, 202)
  assert.deepEqual(writeSafetensors(tensors, { format: 'pt' }), bytes)
})

const entry = (offsets: string, rest = '"dtype":"F32","shape":[1]') => `{${rest},"data_offsets":${offsets}}`
const HOSTILE: [string, Uint8Array][] = [
  ['fewer than eight bytes', Uint8Array.of(1, 2, 3)],
  ['a header longer than the file', file('{}', 0, 100)],
  ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128)],
  ['no JSON', file('{"a":', 0)],
  ['an array', file('[]', 0)],
  ['leading space', file(' {}', 0)],
  ['broken UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff)],
  ['deep nesting', file(`{"a":${'['.repeat(50)}${']'.repeat(50)}}`, 0)],
  ['a name twice', file(`{"a":${entry('[0,4]')},"a":${entry('[0,4]')}}`, 4)],
  ['a name twice, escaped', file(`{"a":${entry('[0,4]')},"\\u0061":${entry('[0,4]')}}`, 4)],
  ['an unknown dtype', file(`{"a":${entry('[0,4]', '"dtype":"F33","shape":[1]')}}`, 4)],
  ['a dtype of Object.prototype', file(`{"a":${entry('[0,4]', '"dtype":"toString","shape":[1]')}}`, 4)],
  ['a negative side', file(`{"a":${entry('[0,4]', '"dtype":"F32","shape":[-1]')}}`, 4)],
  [
    'an overflowing shape',
    file(`{"a":${entry('[0,4]', '"dtype":"F32","shape":[4294967296,4294967296]')}}`, 4),
  ],
  ['offsets that do not fit the shape', file(`{"a":${entry('[0,8]')}}`, 8)],
  ['offsets backwards', file(`{"a":${entry('[4,0]')}}`, 4)],
  ['three offsets', file(`{"a":${entry('[0,4,8]')}}`, 4)],
  ['an overlap', file(`{"a":${entry('[0,4]')},"b":${entry('[2,6]')}}`, 6)],
  ['a hole', file(`{"a":${entry('[0,4]')},"b":${entry('[8,12]')}}`, 12)],
  ['trailing bytes', file(`{"a":${entry('[0,4]')}}`, 5)],
  ['a truncated body', file(`{"a":${entry('[0,4]')}}`, 3)],
  ['metadata that is not strings', file('{"__metadata__":{"a":1}}', 0)],
]
for (const [what, bytes] of HOSTILE) {
  test(`refused: ${what}`, () => assert.throws(() => readSafetensors(bytes), SafetensorsError))
}

test('data that do not fit their shape are not written', () => {
  assert.throws(
    () => writeSafetensors([{ name: 'a', shape: [2], dtype: 'F32', data: new Uint8Array(4) }]),
    RangeError,
  )
})
