// 16-bit floats in a run: what clients learn in steps below their precision is not rounded away, wherever the parameters came from.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { fromFloat32, isFloat32Readable, toFloat32 } from '#protocol/half.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import type { DType, Tensor } from '#protocol/tensors.ts'
import { vector } from '#test/payloads.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { coordinateThrough, eventsOf, type Federation, openFederation } from './federation.ts'
import { resultOf, runOf } from './record.ts'

/** Below half a unit in the last place of a 16-bit float at 1. */
const STEP = 2 ** -14
const ROUNDS = 4

/** Starts from `initial`; adds STEP to every float in 32 bits and answers in `answers`, or in what it was given. */
function steppingWork(initial: readonly Tensor[], answers: DType | null = null): TrainerWork {
  return {
    dataset: 'steps',
    backend: 'typed arrays',
    getParameters: (output) => writeFile(output, writeSafetensors(initial)),
    async fit({ tensors, output }) {
      const stepped = readSafetensors(await readFile(tensors)).map((tensor): Tensor => {
        if (!isFloat32Readable(tensor.dtype)) return tensor
        const dtype = (answers ?? tensor.dtype) as 'F32'
        return {
          ...tensor,
          dtype,
          data: fromFloat32(
            toFloat32(tensor).map((value) => value + STEP),
            dtype,
          ),
        }
      })
      await writeFile(output, writeSafetensors(stepped))
      return { num_examples: 1, metrics: {} }
    },
    evaluate: async () => ({ loss: 1, num_examples: 1, metrics: {} }),
  }
}

const NARROW = [
  vector('a.bias', 'F16', [1, 1]),
  vector('a.running_mean', 'BF16', [1]),
  vector('a.weight', 'BF16', [1, 1, 1]),
  vector('b.count', 'I64', [5]),
  vector('c.wide', 'F32', [1]),
  vector('d.wider', 'F64', [1]),
]

async function run(federation: Federation, work: () => TrainerWork): Promise<Tensor[]> {
  try {
    for (const client of ['a', 'b']) void federation.work(client, { work: work() })
    await federation.coordinate()
    assert.deepEqual((await verifyRecord(federation.store)).problems, [])
    return readSafetensors((await federation.store.get('output/model.safetensors'))!)
  } finally {
    await federation.close()
  }
}

const dtypesOf = (tensors: readonly Tensor[]): string[] =>
  tensors.map(({ name, dtype }) => `${name} ${dtype}`)
const KEPT = ['a.bias F32', 'a.running_mean F32', 'a.weight F32', 'b.count I64', 'c.wide F32', 'd.wider F64']

describe('parameters that come as 16-bit floats', () => {
  test('from a client: kept as float32 from round 0 on; its steps add up; it is said', async () => {
    const federation = await openFederation({ clients: ['a', 'b'], rounds: ROUNDS })
    const model = await run(federation, () => steppingWork(NARROW))
    assert.deepEqual(dtypesOf(model), KEPT)
    for (const tensor of model.slice(0, 3))
      assert.deepEqual(new Set(toFloat32(tensor)), new Set([1 + ROUNDS * STEP]), tensor.name)
    assert.deepEqual((await resultOf(federation.store, 0)).origin, {
      kind: 'Client',
      client: eventsOf(federation.events, 'Initialised')[0]?.client,
      narrow: { 'a.bias': 'F16', 'a.running_mean': 'BF16', 'a.weight': 'BF16' },
    })
    assert.deepEqual(eventsOf(federation.events, 'Initialised')[0]?.narrow, { F16: 1, BF16: 2 })
  })

  test('from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-narrow-'))
    try {
      const file = join(folder, 'initial.safetensors')
      await writeFile(file, writeSafetensors(NARROW))
      const fixed = { origin: { kind: 'InitialParameters', file } } as const
      const federation = await openFederation({ clients: ['a', 'b'], rounds: ROUNDS, fixed })
      const model = await run(federation, () => steppingWork(NARROW))
      assert.deepEqual(dtypesOf(model), KEPT)
      assert.equal(toFloat32(model[2]!)[0], 1 + ROUNDS * STEP)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('from a checkpoint: what trains is kept as float32, what does not train keeps its bytes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-narrow-'))
    try {
      const decoder = vector('mask_decoder.w', 'BF16', [1, 1])
      const frozen = vector('vision_encoder.w', 'BF16', [3, 4])
      const bytes = writeSafetensors([decoder, frozen])
      await writeFile(join(folder, 'model.safetensors'), bytes)
      const federation = await openFederation({
        clients: ['a', 'b'],
        rounds: ROUNDS,
        fixed: {
          origin: { kind: 'Checkpoint', select: (names) => exchangedTensors(['MaskDecoder'], names) },
          base: { uri: 'sam', folder },
        },
      })
      const model = await run(federation, () => steppingWork([]))
      assert.deepEqual(dtypesOf(model), ['mask_decoder.w F32'])
      assert.deepEqual([...toFloat32(model[0]!)], [1 + ROUNDS * STEP, 1 + ROUNDS * STEP])
      const { digest } = (await runOf(federation.store)).base!
      const pinned = (await federation.store.get(`base/${digest}/model.safetensors`))!
      assert.equal(Buffer.compare(pinned, bytes), 0)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('every call names the dtypes of round 0, also under a coordinator that takes over', async () => {
    const federation = await openFederation({ clients: ['a', 'b'], rounds: ROUNDS })
    const heard = new Set<string>()
    const work = steppingWork(NARROW)
    const listening: TrainerWork = {
      ...work,
      fit(call, report) {
        heard.add(`fit ${call.dtypes?.join()}`)
        return work.fit(call, report)
      },
      evaluate(call, report) {
        heard.add(`evaluate ${call.dtypes?.join()}`)
        return work.evaluate(call, report)
      },
    }
    for (const client of ['a', 'b']) void federation.work(client, { work: listening })
    try {
      await assert.rejects(coordinateThrough(federation, 1), { code: 'Interrupted' })
      await federation.coordinate()
      const dtypes = NARROW.map(({ dtype }) => dtype).join()
      assert.deepEqual([...heard].sort(), [`evaluate ${dtypes}`, `fit ${dtypes}`])
    } finally {
      await federation.close()
    }
  })

  test('a trainer that answers in 16 bits takes part: its values are widened as they are', async () => {
    const federation = await openFederation({ clients: ['a', 'b'], rounds: 1 })
    const model = await run(federation, () => steppingWork([vector('w', 'F16', [1, 2 ** -12])], 'F16'))
    assert.deepEqual(dtypesOf(model), ['w F32'])
    // The trainer itself rounded 1 + STEP to 1; nothing rounded the second value.
    assert.deepEqual([...toFloat32(model[0]!)], [1, 2 ** -12 + STEP])
    for (const { outcomes } of eventsOf(federation.events, 'RoundCompleted'))
      assert.ok(outcomes.every(({ outcome }) => outcome === 'Accepted' || outcome === 'NotSelected'))
  })

  test('nothing is said, and nothing is recorded, where all are kept as they came', async () => {
    const federation = await openFederation({ clients: ['a', 'b'], rounds: 1 })
    await run(federation, () => steppingWork(NARROW.slice(3)))
    assert.deepEqual(eventsOf(federation.events, 'Initialised')[0]?.narrow, {})
    assert.equal((await resultOf(federation.store, 0)).origin?.narrow, undefined)
  })
})
