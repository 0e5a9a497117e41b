// Clipped rounds against an independent computation by NumPy (clipping.py): the norms, and the models of a weighted mean, a server
// optimizer, a median and Krum.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fold } from '#coordinator/aggregation/fold.ts'
import { normOf } from '#coordinator/aggregation/norm.ts'
import { tensorList } from '#coordinator/aggregation/tensor-rules.ts'
import { clipFactor } from '#coordinator/rounds/clipping.ts'
import { strategyFrom } from '#coordinator/strategies/registry.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { ensurePython, TEST_PACKAGES } from '#scripts/python.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { storedValues, storeTensors, vector } from '../payloads.ts'

const SCRIPT = fileURLToPath(new URL('./clipping.py', import.meta.url))
const CLIENTS = ['a', 'b', 'c', 'd', 'poison'] as const
const EXAMPLES = [12, 7, 30, 55, 21]
/** Two of the honest clients and the poisoned one have a larger norm. */
const NORM = 8
/** NumPy adds in another order: differences in the last bits of values of order 1, or of order 10 in the norms. */
const TOLERANCE = 1e-12

/** Seeded numbers in [-1, 1). */
function noise(seed: number, length: number): Float64Array {
  let state = seed + 1
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 31 - 1
  })
}

/** `scale` is how far a client moves; it moves a counter, too, which the clipping must leave alone. */
function tensorsOf(seed: number, scale: number, count: number): Tensor[] {
  const moved = (name: string, length: number): Float64Array => {
    const from = noise(name.length, length)
    return noise(seed, length).map((step, i) => from[i]! + scale * step)
  }
  return [
    vector('bias', 'F64', moved('bias', 37)),
    vector('bn.num_batches_tracked', 'I64', [count]),
    vector('bn.running_var', 'F64', moved('bn.running_var', 11)),
    vector('weight', 'F64', moved('weight', 401)),
  ]
}

const BASE = tensorsOf(0, 0, 1)
const UPDATES = [0.3, 0.5, 0.7, 1, 1e6].map((scale, i) => tensorsOf(10 + i, scale, 2 + i))
const LIST = tensorList(BASE)

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-clipping-'))
  await writeFile(join(folder, 'base.safetensors'), writeSafetensors(BASE))
  for (const [i, client] of CLIENTS.entries())
    await writeFile(join(folder, `${client}.safetensors`), writeSafetensors(UPDATES[i]!))
})
after(() => rm(folder, { recursive: true, force: true }))

/** Norms and new values by NumPy. */
async function expected(type: string): Promise<{ norms: number[]; tensors: Map<string, Float64Array> }> {
  const python = await ensurePython(TEST_PACKAGES)
  await writeFile(
    join(folder, 'case.json'),
    JSON.stringify({ clients: CLIENTS, examples: EXAMPLES, norm: NORM, type }),
  )
  const { stdout } = await promisify(execFile)(python, [SCRIPT, folder])
  const tensors = readSafetensors(await readFile(join(folder, 'expected.safetensors')))
  const values = tensors.map(
    ({ name, data }) => [name, new Float64Array(Uint8Array.from(data).buffer)] as const,
  )
  return { norms: JSON.parse(stdout) as number[], tensors: new Map(values) }
}

for (const type of ['FedAvg', 'FedAdagrad', 'FedMedian', 'Krum']) {
  test(`${type} of clipped updates agrees with NumPy`, async () => {
    const store = createMemoryStore()
    const base = await storeTensors(store, 'rounds/0/1/model.safetensors', BASE)
    const updates = await Promise.all(
      CLIENTS.map(async (client, i) => {
        const key = `rounds/1/1/updates/${client}/0000000000000001.safetensors`
        const payload = await storeTensors(store, key, UPDATES[i]!)
        const norm = await normOf(store, LIST, { update: payload, base })
        return {
          client,
          payload,
          numExamples: EXAMPLES[i]!,
          metrics: {},
          norm,
          factor: clipFactor(NORM, norm),
        }
      }),
    )
    const wanted = await expected(type)
    for (const [i, { norm }] of updates.entries())
      assert.ok(Math.abs(norm / wanted.norms[i]! - 1) <= TOLERANCE, `${norm}, NumPy has ${wanted.norms[i]}`)
    assert.equal(updates.filter(({ factor }) => factor < 1).length, 3)
    const strategy = strategyFrom({ type })
    const about = { store, list: LIST, base, updates, strategy, state: null, round: 1, attempt: 1 }
    const { model } = await fold({ ...about, memoryBytes: 2 ** 28 })
    for (const [name, values] of wanted.tensors) {
      // Running statistics take no step of a server optimizer.
      if (type === 'FedAdagrad' && name === 'bn.running_var') continue
      for (const [i, value] of (await storedValues(store, model.key, name)).entries())
        assert.ok(
          Math.abs(value - values[i]!) <= TOLERANCE,
          `${name}[${i}]: ${value}, NumPy has ${values[i]}`,
        )
    }
    const count = readSafetensors((await store.get(model.key))!).find(({ dtype }) => dtype === 'I64')!
    // Krum keeps one update, the first.
    const largest = type === 'Krum' ? 2n : 6n
    assert.equal(new BigInt64Array(Uint8Array.from(count.data).buffer)[0], largest, 'not clipped')
  })
}
