// Readers of a record accept any bytes in the store without a crash: every marker is replaced by junk, by other JSON, or by
// itself with a few bytes or fields changed. The reader reports a problem or throws RecordDamaged.
import fc from 'fast-check'
import { runFederation } from '#test/federation/federation.ts'
import { fuzz } from '#test/fuzz.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { verifyRecord } from './verify.ts'

const memory = createMemoryStore()
const keys = new Set<string>()
const store: ObjectStore = {
  ...memory,
  put(key, body) {
    keys.add(key)
    return memory.put(key, body)
  },
}
await runFederation({
  clients: ['a', 'b'],
  rounds: 1,
  size: 4,
  store,
  transfers: createGrantedTransfers({ memory }),
})
const markers = new Map<string, Uint8Array>()
for (const key of keys) {
  const bytes = key.endsWith('.json') ? await memory.get(key) : undefined
  if (bytes !== undefined && !key.startsWith('coordinators/')) markers.set(key, bytes)
}

/** The record with one marker replaced. */
function withMarker(key: string, bytes: Uint8Array): ObjectStore {
  return {
    ...memory,
    size: async (wanted) => (wanted === key ? bytes.length : memory.size(wanted)),
    get: async (wanted, range, into) =>
      wanted === key && range === undefined ? bytes : memory.get(wanted, range, into),
  }
}

type Change = (bytes: Uint8Array) => Uint8Array

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    [],
    {},
    -1,
    1.5,
    1e300,
    2 ** 60,
    '',
    '../../x',
    '\u001b[2J',
    'a'.repeat(5000),
  ),
  fc.jsonValue(),
)

/** Replaces the field at a place of a tree, whichever it is. */
function replaced(value: unknown, place: number, by: unknown): unknown {
  if (typeof value !== 'object' || value === null) return by
  const names = Object.keys(value)
  const name = names[place % (names.length + 1)]
  if (name === undefined) return by
  const fields = value as Readonly<Record<string, unknown>>
  const changed = replaced(fields[name], Math.floor(place / (names.length + 1)), by)
  return Array.isArray(value) ? value.with(Number(name), changed) : { ...fields, [name]: changed }
}

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.uint8Array({ maxLength: 4096 }).map(
    (bytes): Change =>
      () =>
        bytes,
  ),
  fc.json().map(
    (json): Change =>
      () =>
        text(json),
  ),
  fc.nat(100_000).map(
    (depth): Change =>
      () =>
        text('['.repeat(depth) + ']'.repeat(depth)),
  ),
  fc.nat().map(
    (at): Change =>
      (bytes) =>
        bytes.subarray(0, at % (bytes.length + 1)),
  ),
  fc.tuple(fc.nat(), fc.nat(255)).map(
    ([at, byte]): Change =>
      (bytes) =>
        bytes.with(at % bytes.length, byte),
  ),
  fc.tuple(fc.nat(), odd).map(
    ([place, by]): Change =>
      (bytes) =>
        text(JSON.stringify(replaced(JSON.parse(new TextDecoder().decode(bytes)), place, by))),
  ),
)

fuzz('a record with one marker of another form', {
  input: fc.tuple(fc.constantFrom(...markers.keys()), change),
  read: ([key, form]) => verifyRecord(withMarker(key, form(markers.get(key)!))),
})
