import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_BYTES, digestPayload, sha256 } from '#protocol/digest.ts'
import type { PayloadRef, Receipt } from '#protocol/record.ts'
import { canonicalHeader, writeSafetensors } from '#protocol/safetensors.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { listOf, storeBytes, vector } from '#test/payloads.ts'
import { type Admission, type AdmissionRequest, admit } from './update-checks.ts'

const KEY = 'rounds/1/1/updates/site-a/0123456789abcdef.safetensors'
const TENSORS = [
  vector('bias', 'F32', [1, 2]),
  vector('count', 'I64', [3]),
  vector('weight', 'F32', [1, 2, 3]),
]
const LIST = listOf(TENSORS, { count: 'Largest' })
const BASE_TENSORS = [
  vector('bias', 'F32', [1, 4]),
  vector('count', 'I64', [900]),
  vector('weight', 'F32', [1, 2, 6]),
]
const BASE_KEY = 'rounds/0/1/model.safetensors'
const BASE_BYTES = writeSafetensors(BASE_TENSORS)
const BASE = sha256(BASE_BYTES)
const BASE_SOURCE = { payload: { key: BASE_KEY, ...digestPayload(BASE_BYTES) } }

interface Change {
  readonly bytes?: Uint8Array
  /** Bytes that the store holds in place of those that the receipt describes. */
  readonly stored?: Uint8Array | null
  readonly numExamples?: number
  readonly base?: string
  readonly claim?: Partial<PayloadRef>
  readonly request?: Partial<AdmissionRequest>
}

/** Admits one update; a change is what is wrong with it. */
async function admitted(change: Change = {}): Promise<Admission> {
  const bytes = change.bytes ?? writeSafetensors(TENSORS)
  const store = createMemoryStore()
  await store.put(BASE_KEY, BASE_BYTES)
  const payload = { ...(await storeBytes(store, KEY, bytes)), ...change.claim }
  if (change.stored !== undefined) {
    await store.delete(KEY)
    if (change.stored !== null) await store.put(KEY, change.stored)
  }
  const receipt: Receipt = {
    schema: 'fedsam.receipt/1',
    client: 'site-a',
    round: 1,
    attempt: 1,
    incarnation: 'i',
    base: change.base ?? BASE,
    update: { upload: '0123456789abcdef', ...payload, numExamples: change.numExamples ?? 5, metrics: {} },
    evaluation: null,
    notEvaluated: null,
    dataset: 'd',
  }
  return admit(store, { receipt, payload, base: BASE_SOURCE, list: LIST, ...change.request })
}

test('a good update is admitted, with the norm of its difference to the base; counters do not count', async () => {
  assert.deepEqual(await admitted(), { kind: 'Admitted', norm: Math.sqrt(4 + 9) })
})

test('the base may be in memory', async () => {
  const base = { payload: { ...BASE_SOURCE.payload, key: 'nowhere' }, bytes: BASE_BYTES }
  assert.deepEqual(await admitted({ request: { base } }), { kind: 'Admitted', norm: Math.sqrt(4 + 9) })
})

test('a base that cannot be read is not the fault of the client', async () => {
  const base = { payload: { ...BASE_SOURCE.payload, key: 'nowhere' } }
  assert.deepEqual(await admitted({ request: { base } }), { kind: 'Admitted', norm: null })
})

test('an update whose norm an f64 cannot hold is rejected', async () => {
  const far = [vector('w', 'F64', [1e200, 0])]
  const near = writeSafetensors([vector('w', 'F64', [-1e200, 0])])
  const base = { payload: { key: 'nowhere', ...digestPayload(near) }, bytes: near }
  const admission = await admitted({
    bytes: writeSafetensors(far),
    base: sha256(near),
    request: { base, list: listOf(far) },
  })
  assert.equal(admission.kind === 'Rejected' && admission.reason, 'NotFinite')
})

const good = writeSafetensors(TENSORS)
const flipped = new Uint8Array(good).map((byte, i) => (i === good.length - 1 ? byte ^ 1 : byte))
const replaced = (index: number, tensor: (typeof TENSORS)[number]): Uint8Array =>
  writeSafetensors(TENSORS.with(index, tensor))

const REJECTIONS: readonly (readonly [what: string, change: Change, reason: string, message: RegExp])[] = [
  ['no examples', { numExamples: 0 }, 'BadNumExamples', /num_examples is 0,/],
  ['fewer than none', { numExamples: -1 }, 'BadNumExamples', /is -1,/],
  ['half an example', { numExamples: 0.5 }, 'BadNumExamples', /is 0.5,/],
  [
    'too many examples',
    { numExamples: 1e18 },
    'BadNumExamples',
    /is 1000000000000000000, not a whole number from 1 to 536870912/,
  ],
  ['one example too many', { numExamples: 2 ** 29 + 1 }, 'BadNumExamples', /is 536870913,/],
  [
    'another name',
    { bytes: replaced(0, { ...TENSORS[0]!, name: 'bios' }) },
    'WrongTensors',
    /^missing: bias; not in the run: bios$/,
  ],
  [
    'another base',
    { base: sha256('old') },
    'WrongBase',
    new RegExp(`from ${sha256('old')}, the plan's base is ${BASE}`),
  ],
  ['nothing in the store', { stored: null }, 'WrongSize', /is not in the store/],
  [
    'a truncated body',
    { stored: good.subarray(0, -1) },
    'WrongSize',
    new RegExp(`has ${good.length - 1} bytes, the receipt states ${good.length}`),
  ],
  ['a longer body', { stored: new Uint8Array(good.length + 1) }, 'WrongSize', /receipt states/],
  ['another body', { stored: flipped }, 'WrongDigest', /block 0 does not match its digest/],
  [
    'a wrong whole digest',
    { claim: { sha256: sha256('x') } },
    'WrongDigest',
    /SHA-256 is .* the receipt states/,
  ],
  ['a wrong block digest', { claim: { blocks: [sha256('x')] } }, 'WrongDigest', /block 0/],
  ['no block digests', { claim: { blocks: [] } }, 'BadReceipt', /0 block digests/],
  ['a missing tensor', { bytes: writeSafetensors(TENSORS.slice(1)) }, 'WrongTensors', /^missing: bias$/],
  [
    'one too many',
    { bytes: writeSafetensors([...TENSORS, vector('z', 'U8', [1])]) },
    'WrongTensors',
    /^not in the run: z$/,
  ],
  [
    'a wrong shape of the same size',
    { bytes: replaced(2, { ...TENSORS[2]!, shape: [3, 1] }) },
    'WrongTensors',
    /^weight is F32\[3,1\] instead of F32\[3\]$/,
  ],
  [
    'a wrong shape',
    { bytes: replaced(2, vector('weight', 'F32', [1])) },
    'WrongTensors',
    /F32\[1\] instead of F32\[3\]/,
  ],
  [
    'a wrong dtype',
    { bytes: replaced(2, vector('weight', 'F16', [1, 2, 3])) },
    'WrongTensors',
    /F16\[3\] instead of F32\[3\]/,
  ],
  [
    'metadata',
    { bytes: writeSafetensors(TENSORS, { format: 'pt' }) },
    'WrongTensors',
    /not sorted by name, or has metadata/,
  ],
  ['another order', { bytes: writeSafetensors(TENSORS.toReversed()) }, 'WrongTensors', /not sorted/],
  ['no safetensors', { bytes: new Uint8Array(100).fill(7) }, 'WrongTensors', /cannot be read/],
  ['too short for a header', { bytes: new Uint8Array(3) }, 'WrongTensors', /cannot be read/],
  ['nothing at all', { bytes: new Uint8Array(0) }, 'WrongTensors', /cannot be read/],
  [
    'a NaN',
    { bytes: replaced(0, vector('bias', 'F32', [0, Number.NaN])) },
    'NotFinite',
    /^bias\[1\] is not a finite number; if training diverged, lower the learning rate$/,
  ],
  [
    'an infinity',
    { bytes: replaced(2, vector('weight', 'F32', [0, 0, -Infinity])) },
    'NotFinite',
    /^weight\[2\]/,
  ],
]

for (const [what, change, reason, message] of REJECTIONS) {
  test(`${what}: ${reason}`, async () => {
    const admission = await admitted(change)
    assert.equal(admission.kind === 'Rejected' && admission.reason, reason)
    assert.match(admission.kind === 'Rejected' ? admission.message : '', message)
  })
}

test('the text of a difference is short for lists of any length', async () => {
  const many = Array.from({ length: 50 }, (_, i) => vector(`extra-${i}-${'x'.repeat(1000)}`, 'U8', [1]))
  const admission = await admitted({ bytes: writeSafetensors(many) })
  assert.ok(admission.kind === 'Rejected' && admission.message.length < 2000)
  assert.match(admission.message, /missing: bias, count, weight; not in the run: .* and 45 more/)
})

test("a header that is much longer than the run's is rejected by its length and not read", async () => {
  const many = Array.from({ length: 900 }, (_, i) => vector(`extra-${i}-${'x'.repeat(100)}`, 'U8', [1]))
  const admission = await admitted({ bytes: writeSafetensors(many) })
  assert.ok(admission.kind === 'Rejected' && admission.reason === 'WrongTensors')
  assert.match(admission.message, /^the update's header has \d+ bytes, the run's header has \d+$/)
})

test('a header of a megabyte of backslashes is rejected', async () => {
  const header = Buffer.from(`{"\\"${'\\"'.repeat(2 ** 19)}`)
  const bytes = new Uint8Array(8 + header.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true)
  bytes.set(header, 8)
  const admission = await admitted({ bytes })
  assert.equal(admission.kind === 'Rejected' && admission.reason, 'WrongTensors')
})

test('the event loop turns between two blocks of a large update', async () => {
  const large = [vector('w', 'U8', new Uint8Array(8 * BLOCK_BYTES))]
  const bytes = writeSafetensors(large)
  let turns = 0
  let over = false
  const turn = (): void => {
    turns += 1
    if (!over) setImmediate(turn)
  }
  setImmediate(turn)
  const admission = await admitted({ bytes, request: { list: listOf(large) } })
  over = true
  assert.equal(admission.kind, 'Admitted')
  assert.ok(turns >= bytes.length / BLOCK_BYTES, `${turns} turns`)
})

test('a large update is checked to its last block, in pieces', async () => {
  const large = [vector('w', 'F32', new Float32Array(2 * BLOCK_BYTES))]
  const list = listOf(large)
  const bytes = writeSafetensors(large)
  let largest = 0
  const memory = createMemoryStore()
  await memory.put(KEY, bytes)
  const store: typeof memory = {
    ...memory,
    get(key, range) {
      largest = Math.max(largest, range?.length ?? Number.POSITIVE_INFINITY)
      return memory.get(key, range)
    },
  }
  const { size, sha256: whole, blocks } = digestPayload(bytes)
  const payload = { key: KEY, size, sha256: whole, blocks: [...blocks] }
  const update = { upload: '0123456789abcdef', ...payload, numExamples: 1, metrics: {} }
  const receipt = { base: null, update } as unknown as Receipt
  const request = { receipt, payload, base: null, list }
  assert.deepEqual(await admit(store, request), { kind: 'Admitted', norm: null })
  assert.ok(largest <= 5 * BLOCK_BYTES, `${largest} bytes were read at once`)
  const bad = new Uint8Array(bytes)
  new DataView(bad.buffer).setFloat32(
    canonicalHeader(list).length + 4 * (2 * BLOCK_BYTES - 1),
    Number.NaN,
    true,
  )
  const again = digestPayload(bad)
  await memory.delete(KEY)
  await memory.put(KEY, bad)
  const claimed = { ...payload, sha256: again.sha256, blocks: [...again.blocks] }
  const admission = await admit(store, { ...request, payload: claimed })
  assert.deepEqual(admission, {
    kind: 'Rejected',
    reason: 'NotFinite',
    message: `w[${2 * BLOCK_BYTES - 1}] is not a finite number; if training diverged, lower the learning rate`,
  })
})
