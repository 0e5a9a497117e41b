import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestPayload } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { DType, Tensor, TensorRule } from '#protocol/tensors.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { listOf, storedValues, storeTensors, vector } from '#test/payloads.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { strategyFrom } from '../strategies/registry.ts'
import type { Strategy } from '../strategies/strategy.ts'
import { type FoldRequest, type FoldUpdate, fold } from './fold.ts'
import { createFoldBuffers, type FoldBuffers } from './fold-buffers.ts'

const PLENTY = 2 ** 30
const MODEL = 'rounds/1/1/model.safetensors'
const STATE = 'rounds/1/1/state.safetensors'

interface Case {
  readonly base: Tensor[]
  readonly updates: { client: string; numExamples: number; tensors: Tensor[]; factor?: number }[]
  readonly rules?: Record<string, TensorRule>
  readonly strategy?: Strategy
}

/** Stores base and updates, and returns the request; each test changes its part. */
async function prepared(
  { base, updates, rules, strategy = strategyFrom({ type: 'FedAvg' }) }: Case,
  store: ObjectStore = createMemoryStore(),
): Promise<FoldRequest> {
  const list = listOf(base, rules)
  const stored = updates.map(async ({ client, numExamples, tensors, factor = 1 }): Promise<FoldUpdate> => {
    const payload = await storeTensors(
      store,
      `rounds/1/1/updates/${client}/0123456789abcdef.safetensors`,
      tensors,
    )
    return { client, numExamples, metrics: {}, payload, factor }
  })
  return {
    store,
    list,
    base: await storeTensors(store, 'rounds/0/1/model.safetensors', base),
    updates: await Promise.all(stored),
    strategy,
    state: null,
    round: 1,
    attempt: 1,
    memoryBytes: PLENTY,
  }
}

const three = (w: number[], dtype: DType = 'F32'): Tensor[] => [vector('w', dtype, w)]

/** Pseudo-random f32 values in [-1, 1), the same in every run. */
function noise(seed: number, length: number): Float32Array {
  let state = seed + 1
  const values = new Float32Array(length)
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    values[i] = state / 2 ** 31 - 1
  }
  return values
}

/** Tensors of odd lengths and dtypes, about 1.7 MB: cuts fall within elements, and elements are not aligned. */
function assorted(seed: number): Tensor[] {
  return [
    vector('a.flags', 'BOOL', [1, 0, seed % 2]),
    vector('b.weight', 'F32', noise(seed, 300_001)),
    vector('c.half', 'F16', noise(seed + 50, 100_003)),
    vector('d.brain', 'BF16', noise(seed + 60, 50_001)),
    vector('e.count', 'I64', [seed, 7, 1000 - seed]),
    // Thirds: sums of them depend on their order.
    vector(
      'f.double',
      'F64',
      Float64Array.from(noise(seed + 70, 20_003), (x) => x / 3),
    ),
    vector('g.mean', 'F32', noise(seed + 80, 5)),
  ]
}

const ASSORTED: Case = {
  base: assorted(0),
  updates: [3, 1, 2, 4, 5].map((k) => ({
    client: `site-${k}`,
    numExamples: 10 * k,
    tensors: assorted(k),
    factor: k < 3 ? 1 : 1 / k,
  })),
  rules: { 'a.flags': 'Keep', 'e.count': 'Largest', 'g.mean': 'Average' },
}

test('FedAvg: the mean weighted by num_examples', async () => {
  const request = await prepared({
    base: three([1, 2, 3]),
    updates: [
      { client: 'a', numExamples: 1, tensors: three([2, 2, 3]) },
      { client: 'b', numExamples: 3, tensors: three([4, 0, 3]) },
    ],
  })
  const { model, state, rejected } = await fold(request)
  assert.deepEqual(await storedValues(request.store, MODEL, 'w'), [3.5, 0.5, 3])
  assert.deepEqual(rejected, [])
  assert.equal(state, null)
  assert.equal(await request.store.size(STATE), undefined)
  assert.deepEqual(model, { key: MODEL, ...digestPayload((await request.store.get(MODEL))!) })
})

test('a clipped update counts as base + factor × difference, and keeps its weight', async () => {
  const request = await prepared({
    base: three([0, 0, 1]),
    updates: [
      { client: 'a', numExamples: 1, tensors: three([2, 0, 1]) },
      { client: 'b', numExamples: 3, tensors: three([800, -8, 1]), factor: 0.5 },
    ],
  })
  await fold(request)
  assert.deepEqual(await storedValues(request.store, MODEL, 'w'), [300.5, -3, 1])
})

test('Krum compares clipped updates: one that is long is near again', async () => {
  const updates = [
    { client: 'a', numExamples: 1, tensors: three([1, 0, 0]) },
    { client: 'b', numExamples: 1, tensors: three([0, 1, 0]) },
    { client: 'c', numExamples: 1, tensors: three([10, 90, 0]), factor: 0.01 },
  ]
  const request = await prepared({
    base: three([0, 0, 0]),
    updates,
    strategy: strategyFrom({ type: 'Krum' }),
  })
  assert.deepEqual((await fold(request)).rejected, ['a', 'c'])
  const apart = updates.map((update) => ({ ...update, factor: 1 }))
  const whole = await prepared({
    base: three([0, 0, 0]),
    updates: apart,
    strategy: strategyFrom({ type: 'Krum' }),
  })
  assert.deepEqual((await fold(whole)).rejected, ['b', 'c'])
})

test('each rule has its effect, and counters stay exact', async () => {
  const big = 2 ** 53
  const tensors = (flag: number, average: number, count: number): Tensor[] => [
    vector('average', 'F32', [average]),
    {
      ...vector('count', 'I64', [0]),
      data: new Uint8Array(BigInt64Array.of(BigInt(big) + BigInt(count)).buffer),
    },
    vector('flag', 'BOOL', [flag]),
    vector('moved', 'F32', [average]),
  ]
  const request = await prepared({
    base: tensors(1, 0, 0),
    updates: [
      { client: 'a', numExamples: 1, tensors: tensors(0, 1, 3) },
      { client: 'b', numExamples: 1, tensors: tensors(0, 3, 1) },
    ],
    rules: { average: 'Average', count: 'Largest', flag: 'Keep' },
    strategy: strategyFrom({ type: 'FedAvgM', fedAvgM: { serverLearningRate: 0.5 } }),
  })
  await fold(request)
  const [average, count, flag, moved] = readSafetensors((await request.store.get(MODEL))!)
  assert.equal(new Float32Array(new Uint8Array(average!.data).buffer)[0], 2)
  assert.equal(new BigInt64Array(new Uint8Array(count!.data).buffer)[0], BigInt(big) + 3n)
  assert.deepEqual([...flag!.data], [1])
  assert.equal(
    new Float32Array(new Uint8Array(moved!.data).buffer)[0],
    1,
    'half of the mean: the server learning rate',
  )
})

/** Digests of a fold's results in its own store, and of a second fold that continues from its state. */
async function outcome(changed: Partial<FoldRequest>, of: Case = ASSORTED): Promise<string[]> {
  const request = { ...(await prepared(of)), ...changed }
  const { model, state, rejected } = await fold(request)
  const digests = [model.sha256, state?.sha256 ?? '', rejected.join()]
  if (state === null) return digests
  const second = await fold({ ...request, state, attempt: 2 })
  return [...digests, second.model.sha256, second.state!.sha256]
}

const STRATEGIES = ['FedAvg', 'FedAdam', 'FedMedian', 'MultiKrum']

for (const type of STRATEGIES) {
  test(`${type}: slices, order and kept bytes change no byte of the result`, async () => {
    const of: Case = { ...ASSORTED, strategy: strategyFrom({ type, multiKrum: { numNodesToSelect: 2 } }) }
    const whole = await outcome({}, of)
    assert.notEqual(
      whole[0],
      digestPayload((await (await prepared(of)).store.get('rounds/0/1/model.safetensors'))!).sha256,
    )
    for (const memoryBytes of [40e6, 24e6]) assert.deepEqual(await outcome({ memoryBytes }, of), whole)
    const request = await prepared(of)
    const reversed = { ...request, updates: [...request.updates].reverse() }
    assert.equal((await fold(reversed)).model.sha256, whole[0])
    const kept = await prepared(of)
    const bytes = await Promise.all(
      kept.updates.map(async (u) => ({ ...u, bytes: Buffer.from((await kept.store.get(u.payload.key))!) })),
    )
    for (const { payload } of kept.updates) await kept.store.delete(payload.key)
    assert.equal((await fold({ ...kept, updates: bytes })).model.sha256, whole[0])
  })
}

for (const type of STRATEGIES) {
  test(`${type}: rounds that hand their memory on have the models of rounds that do not`, async () => {
    const of: Case = { ...ASSORTED, strategy: strategyFrom({ type, multiKrum: { numNodesToSelect: 2 } }) }
    const models = async (buffers?: FoldBuffers, memoryBytes = PLENTY): Promise<string[]> => {
      let request = { ...(await prepared(of)), buffers, memoryBytes }
      const digests: string[] = []
      for (let attempt = 1; attempt <= 4; attempt += 1) {
        const { model, state } = await fold({ ...request, attempt })
        digests.push(model.sha256)
        request = { ...request, base: model, state }
      }
      return digests
    }
    const expected = await models()
    assert.ok(new Set(expected).size >= 2)
    assert.deepEqual(await models(createFoldBuffers(PLENTY)), expected)
    assert.deepEqual(await models(createFoldBuffers(PLENTY), 24e6), expected)
  })
}

test('a base that the buffers hold is not read; another base is', async () => {
  const buffers = createFoldBuffers(PLENTY)
  const request = await prepared(ASSORTED)
  const first = await fold({ ...request, buffers })
  await request.store.delete(first.model.key)
  const next = { ...request, base: first.model, attempt: 2, buffers }
  await fold(next)
  // The room has the second model now.
  await assert.rejects(fold({ ...next, attempt: 3 }), { code: 'RecordDamaged' })
  await assert.rejects(fold({ ...next, buffers: createFoldBuffers(PLENTY), attempt: 4 }), {
    code: 'RecordDamaged',
  })
})

test('a server optimizer continues from its state', async () => {
  const store = createMemoryStore()
  const strategy = strategyFrom({ type: 'FedAvgM', fedAvgM: { serverMomentum: 0.5 } })
  const updates = [{ client: 'a', numExamples: 1, tensors: three([1, 0, -2], 'F64') }]
  const request = await prepared({ base: three([0, 0, 0], 'F64'), updates, strategy }, store)
  const first = await fold(request)
  assert.deepEqual(await storedValues(store, STATE, 'vectors/w'), [-1, 0, 2])
  await fold({ ...request, state: first.state, attempt: 2 })
  // v = 0.5 × (-1) - 1
  assert.deepEqual(await storedValues(store, 'rounds/1/2/model.safetensors', 'w'), [1.5, 0, -3])
})

test('a result that exists already is compared with the computed one', async () => {
  const request = await prepared(ASSORTED)
  const first = await fold(request)
  assert.deepEqual(await fold(request), first)
  await request.store.delete(MODEL)
  await request.store.put(MODEL, new Uint8Array(10))
  await assert.rejects(
    fold(request),
    (error) =>
      error instanceof FedsamError && error.code === 'RecordDamaged' && error.message.includes(MODEL),
  )
})

/** A store whose reads of one key pass through `change`, with the number of the read. */
function meddling(
  store: ObjectStore,
  key: string,
  change: (bytes: Uint8Array, read: number) => Uint8Array | undefined,
): ObjectStore {
  let reads = 0
  return {
    ...store,
    async get(asked, range) {
      const bytes = await store.get(asked, range)
      return asked === key && bytes !== undefined ? change(bytes, ++reads) : bytes
    },
  }
}

test('bytes without their digest are read again; lasting damage ends the fold, which leaves no object', async () => {
  const request = await prepared(ASSORTED)
  const { key } = request.updates[1]!.payload
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 77 ? byte ^ 1 : byte))
  const once = meddling(request.store, key, (bytes, read) => (read === 1 ? flipped(bytes) : bytes))
  assert.equal((await fold({ ...request, store: once })).model.sha256, (await outcome({}))[0])
  await request.store.delete(MODEL)
  for (const change of [flipped, () => undefined, (bytes: Uint8Array) => bytes.subarray(1)]) {
    await assert.rejects(
      fold({ ...request, store: meddling(request.store, key, change) }),
      (error) =>
        error instanceof FedsamError && error.code === 'RecordDamaged' && error.message.includes(key),
    )
    assert.equal(await request.store.size(MODEL), undefined)
  }
})

test('a fold that fails has ended its writes before it rejects', async () => {
  const strategy = strategyFrom({ type: 'FedAdam' })
  const request = await prepared({ ...ASSORTED, strategy })
  let ended = 0
  const store: ObjectStore = {
    ...meddling(request.store, request.updates[4]!.payload.key, () => undefined),
    write: (...given) => request.store.write(...given).finally(() => ended++),
  }
  await assert.rejects(fold({ ...request, store }), { code: 'RecordDamaged' })
  assert.equal(ended, 2)
})

test("the fold never writes into a store's own buffers", async () => {
  const request = await prepared(ASSORTED)
  const bytes = (await request.store.get(request.base.key))!
  const store = meddling(request.store, request.base.key, () => bytes)
  await fold({ ...request, store })
  assert.equal(digestPayload(bytes).sha256, request.base.sha256)
})

test('a fold with a wrong input does not start', async () => {
  const request = await prepared(ASSORTED)
  const code = (expected: string) => (error: unknown) =>
    error instanceof FedsamError && error.code === expected
  const trimmed = strategyFrom({ type: 'FedTrimmedAvg', fedTrimmedAvg: { beta: 0.1 } })
  await assert.rejects(fold({ ...request, strategy: trimmed }), code('RunFailed'))
  await assert.rejects(fold({ ...request, updates: [] }), code('RunFailed'))
  await assert.rejects(fold({ ...request, memoryBytes: 5e6 }), code('InvalidJob'))
  await assert.rejects(fold({ ...request, base: { ...request.base, size: 9 } }), code('RecordDamaged'))
  const signal = AbortSignal.abort()
  for (const type of ['FedAvg', 'Krum']) {
    await assert.rejects(fold({ ...request, strategy: strategyFrom({ type }), signal }), {
      name: 'AbortError',
    })
  }
  assert.equal(await request.store.size(MODEL), undefined)
})

for (const at of [0, 1, 2]) {
  for (const dtype of ['F16', 'F32'] as const) {
    test(`a result beyond ${dtype} at element ${at} is named, not stored`, async () => {
      const large = dtype === 'F16' ? 60_000 : 3e38
      const only = (value: number): number[] => [0, 1, 2].map((i) => (i === at ? value : 0))
      const request = await prepared({
        base: three(only(large), dtype),
        updates: [{ client: 'a', numExamples: 1, tensors: three(only(large * 1.08), dtype) }],
        strategy: strategyFrom({ type: 'FedAvgM', fedAvgM: { serverLearningRate: 3 } }),
      })
      await assert.rejects(fold(request), (error) => {
        assert.ok(error instanceof FedsamError)
        assert.deepEqual([error.code, error.reason], ['RunFailed', 'ParametersOverflow'])
        return error.message.includes(`w[${at}]`)
      })
      assert.equal(await request.store.size(MODEL), undefined)
    })
  }
}

test('Krum excludes the outlier and reports it', async () => {
  const request = await prepared({
    base: three([0, 0, 0]),
    updates: [
      { client: 'a', numExamples: 5, tensors: three([1, 0, 0]) },
      { client: 'b', numExamples: 1, tensors: three([1, 0.25, 0]) },
      { client: 'c', numExamples: 2, tensors: three([1, 0.75, 0]) },
      { client: 'd', numExamples: 900, tensors: three([-90, 0, 0]) },
    ],
    strategy: strategyFrom({ type: 'Krum' }),
  })
  assert.deepEqual((await fold(request)).rejected, ['a', 'c', 'd'])
  assert.deepEqual(await storedValues(request.store, MODEL, 'w'), [1, 0.25, 0])
})
