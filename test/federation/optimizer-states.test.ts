// keepOptimizerState, the first user of clients' states: the built-in trainer's moments go from round to round. One client without
// shuffling and jitter trains two rounds of two epochs exactly as one round of four, also where it and its coordinator end at any write.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openSegmentAnything } from '#worker/trainer/segment-anything.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { readSettings } from '#worker/trainer/settings.ts'
import { makeSamJob } from '../cli/sam-job.ts'
import { type OnWrite, recordingStore, recordingTransfers } from '../faults/recording-store.ts'
import { killsAt } from '../given/kill-step.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { openFederation } from './federation.ts'

const CLIENT = 'a'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-moments-'))
  await makeSamJob(folder)
})
after(() => rm(folder, { recursive: true, force: true }))

/** The built-in trainer with these settings, as a job gives them. */
function open(fields: object): Promise<TrainerWork> {
  const spec = completeSpec({
    trainer: {
      segmentAnything: {
        checkpoint: { uri: 'sam' },
        backend: 'CPU',
        learningRate: 0.01,
        shuffle: false,
        boxJitterPixels: 0,
        ...fields,
      },
    },
    partitions: [{ name: CLIENT, dataset: { root: join(folder, CLIENT) } }],
  } as Parameters<typeof completeSpec>[0])
  const settings = readSettings(
    JSON.stringify({
      trainer: spec.trainer.segmentAnything,
      dataset: spec.partitions[0]!.dataset,
      checkpoint: join(folder, 'sam'),
      cache: join(folder, 'cache'),
    }),
  )
  return openSegmentAnything(settings, () => {})
}

interface Faults {
  readonly coordinator?: OnWrite
  readonly worker?: OnWrite
}

interface Ended {
  readonly values: Float32Array
  readonly store: ObjectStore
}

/** A run of one client. What `faults` ends is started again. */
async function train(work: TrainerWork, rounds: number, faults: Faults = {}): Promise<Ended> {
  const memory = createMemoryStore()
  const ends: (() => void)[] = []
  const transfers = createGrantedTransfers({ memory })
  const worker = faults.worker
  const federation = await openFederation({
    clients: [CLIENT],
    rounds,
    store: memory,
    transfers: worker === undefined ? transfers : recordingTransfers(transfers, worker),
    round: { quorum: 1 },
    fixed: {
      minFitClients: 1,
      minAvailableClients: 1,
      origin: { kind: 'Checkpoint', select: (names) => exchangedTensors(['MaskDecoder'], names) },
      base: { uri: 'sam', folder: join(folder, 'sam') },
    },
  })
  const lives = (): Promise<unknown> => {
    const life = new AbortController()
    ends.push(() => life.abort())
    return federation.work(CLIENT, { work, signal: life.signal })
  }
  try {
    started = { end: () => ends.at(-1)?.(), again: () => void lives() }
    void lives()
    const coordinator = faults.coordinator
    const store = coordinator === undefined ? memory : recordingStore(memory, coordinator)
    await federation.coordinate({ store }).catch(async (error: unknown) => {
      if (!(error instanceof Killed)) throw error
      await federation.coordinate()
    })
    const { problems, complete } = await verifyRecord(memory)
    assert.deepEqual({ problems, complete }, { problems: [], complete: true })
    const tensors = readSafetensors((await memory.get('output/model.safetensors'))!)
    const bytes = Buffer.concat(tensors.map(({ data }) => data))
    return { values: new Float32Array(Uint8Array.from(bytes).buffer), store: memory }
  } finally {
    await federation.close()
  }
}

/** The worker that runs now. */
let started: { end: () => void; again: () => void }

/** The end of a program at a write. */
class Killed extends Error {}

function largestDifference(one: Float32Array, other: Float32Array): number {
  assert.equal(one.length, other.length)
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0)
}

for (const optimizer of ['Adam', 'AdamW', 'SGD'])
  test(`${optimizer}: two rounds of two epochs are one round of four, within 1e-6`, async () => {
    const whole = await train(await open({ optimizer, epochs: 4 }), 1)
    const kept = await train(await open({ optimizer, epochs: 2, keepOptimizerState: true }), 2)
    assert.ok(largestDifference(kept.values, whole.values) <= 1e-6)
  })

test('without keepOptimizerState they differ: each round begins with new moments', async () => {
  const whole = await train(await open({ epochs: 4 }), 1)
  const fresh = await train(await open({ epochs: 2 }), 2)
  assert.ok(largestDifference(fresh.values, whole.values) > 1e-4)
})

describe('ended before and after every write, to the same bytes,', () => {
  let work: TrainerWork
  let expected: Float32Array
  before(async () => {
    work = await open({ epochs: 1, keepOptimizerState: true })
    expected = (await train(work, 2)).values
  })

  for (const victim of ['coordinator', 'worker'] as const)
    test(`the ${victim}`, async (t) => {
      const writes: string[] = []
      await train(work, 2, {
        [victim]: (_: number, __: string, key: string, phase: string) =>
          void (phase === 'before' && writes.push(key)),
      })
      assert.ok(
        writes.some((key) => key.endsWith(victim === 'worker' ? '.state' : 'states.json')),
        writes.join(),
      )
      const ends = killsAt(writes)
      for (const { write, index, phase } of ends) {
        const { values } = await train(work, 2, { [victim]: endAt(victim, index, phase) })
        assert.deepEqual(values, expected, `${victim} ended ${phase} ${write}`)
      }
      t.diagnostic(`${ends.length} ends, one in each run`)
    })

  /** Ends the victim at a write, once, and begins another life. */
  function endAt(victim: keyof Faults, wanted: number, when: 'before' | 'after'): OnWrite {
    return async (index, _, __, phase) => {
      if (index !== wanted || phase !== when) return
      if (victim === 'coordinator') throw new Killed()
      started.end()
      started.again()
      throw new Killed()
    }
  }
})
