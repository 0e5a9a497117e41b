// Tensor file headers as a hostile client writes them: broken files, correct files with one mutation, and long headers
// of the kinds that cost a reader more than linear time.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { parseHeader, readSafetensors, SafetensorsError, writeSafetensors } from './safetensors.ts'

/** A file of any header text, and data of zeros. */
function file(header: string, dataBytes = 0): Uint8Array {
  const length = Buffer.byteLength(header)
  const bytes = Buffer.alloc(8 + length + dataBytes)
  bytes.writeBigUInt64LE(BigInt(length))
  bytes.write(header, 8)
  return bytes
}

const entry = fc.record(
  {
    dtype: fc.constantFrom('F32', 'F16', 'I64', 'U8', 'F33', 'toString', '__proto__'),
    shape: fc.array(fc.oneof(fc.nat(4), fc.maxSafeInteger(), fc.double())),
    data_offsets: fc.array(fc.nat(64), { maxLength: 3 }),
  },
  { requiredKeys: [] },
)
const header = fc
  .dictionary(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a', '__metadata__', '__proto__')),
    entry,
  )
  .map((map) => JSON.stringify(map))
const tokens = fc
  .array(fc.constantFrom('{', '}', '[', ']', ':', ',', '"', '\\', '\\"', '"a"', '0', '1e9', ' ', 'é'), {
    maxLength: 400,
  })
  .map((parts) => `{${parts.join('')}`)
const repeated = fc
  .tuple(
    fc.constantFrom('{"', '{"a":[', '{"a":{', '{', '['),
    fc.string({ minLength: 1, maxLength: 4 }),
    fc.nat(20_000),
  )
  .map(([begin, part, times]) => begin + part.repeat(times))
const mutated = fc.tuple(fc.nat(200), fc.nat(255)).map(([at, byte]) => {
  const bytes = writeSafetensors([
    { name: 'layer.weight', shape: [2, 2], dtype: 'F32', data: new Uint8Array(16) },
    { name: 'layer.bias', shape: [2], dtype: 'F16', data: new Uint8Array(4) },
  ])
  bytes[at % bytes.length] = byte
  return bytes
})

const LONG = 2 ** 20
const long = (begin: string, part: string): Uint8Array => file(begin + part.repeat(LONG / part.length))

fuzz('a tensor file, whole', {
  input: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    mutated,
    fc.tuple(fc.oneof(header, tokens, repeated), fc.nat(100)).map(([text, data]) => file(text, data)),
  ),
  read: readSafetensors,
  errors: [SafetensorsError],
  examples: [
    long('{"\\"\\"', '\\'),
    long('{"', '\\"'),
    long('{"a":', '['),
    long('{"a":{', '"b":[],'),
    long('{', '"a":{},'),
    long('{"a":', '1'),
    long('', '"'),
    file(`{"__metadata__":{${Array.from({ length: 100_000 }, (_, i) => `"${i.toString(36)}":""`).join()}}}`),
    file(
      `{${Array.from({ length: 32_768 }, (_, i) => `"${i * 131}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`).join()}}`,
    ),
  ],
})

fuzz('a header of a file that is much longer', {
  input: fc.tuple(fc.oneof(header, tokens, repeated), fc.maxSafeInteger()),
  read: ([text, size]) => parseHeader(file(text), size),
  errors: [SafetensorsError],
})
