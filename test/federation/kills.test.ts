// SIGKILL of the coordinator, and of each worker, before and after every one of its writes to the store. Every run must end complete, with the
// same model and a sound record.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readStates } from '#coordinator/record/client-states.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { sha256 } from '#protocol/digest.ts'
import { resultKey } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { killsAt } from '../given/kill-step.ts'
import { type FederationOptions, runFederation } from './federation.ts'
import { CLIENTS, ROUNDS, SIZE, SOURCE_ROUNDS, settingsOf, sourceSettings, trainerOf } from './kills/job.ts'
import { inParallel, type Killable, type KillRuns, named, openKillRuns } from './kills/runs.ts'
import { resultOf } from './record.ts'

/** The job, for coordinator and workers in this process. */
const JOB = { clients: CLIENTS, rounds: ROUNDS, size: SIZE, round: { quorum: 3 } } as const

let runs: KillRuns
let job: Killable
before(async () => {
  runs = await openKillRuns()
  const { store } = await runFederation(wholeJob('')('whole'))
  job = await killable('', store)
})
after(() => runs?.close())

/** `source`: folder of the record that it starts from; '' for none. */
const wholeJob =
  (source: string) =>
  (uid: string): FederationOptions => ({
    ...JOB,
    fixed: settingsOf(uid, source),
    quadratic: () => trainerOf(source),
  })

/** The job, whose runs must come to what this store has. */
async function killable(source: string, store: ObjectStore): Promise<Killable> {
  const facts = source === '' ? factsOf : resumedFacts
  return {
    federation: wholeJob(source),
    orders: { source, isProgram: false },
    facts,
    expected: await facts(store),
  }
}

async function resumedFacts(store: ObjectStore): Promise<object> {
  const metrics = new TextDecoder().decode((await store.get('output/metrics.json'))!)
  const model = sha256((await store.get('output/model.safetensors'))!)
  const { problems, complete, results } = await verifyRecord(store)
  assert.deepEqual([problems, complete], [[], true])
  return { model, metrics, results }
}

/** Model, training metrics and evaluations of all rounds, and the last states of the clients. */
async function factsOf(store: ObjectStore): Promise<object> {
  const states = await readStates(store, await resultOf(store, ROUNDS + 1))
  return {
    ...(await resumedFacts(store)),
    states: states.map(({ client, sha256 }) => `${client} ${sha256}`),
  }
}

describe('SIGKILL at every write', () => {
  for (const victim of ['coordinator', ...CLIENTS]) {
    test(`of ${victim === 'coordinator' ? 'the coordinator' : `the worker ${victim}`}`, async (t) => {
      const writes = await runs.run(job, { victim, kill: null })
      const least = victim === 'coordinator' ? 20 : 5
      assert.ok(writes.length >= least, `${writes.length} writes: ${writes.join(', ')}`)
      const kills = killsAt(writes)
      await inParallel(kills, ({ write, index, phase }) =>
        named(`${victim} ${phase} ${write}`, runs.run(job, { victim, kill: { index, phase } })),
      )
      t.diagnostic(`${kills.length} kills, one in each run`)
    })
  }

  test('of a coordinator that starts from another record, at each write up to its first result', async () => {
    const source = join(runs.folder, 'source')
    const store = await openFilesystemStore({ folder: source, durable: false })
    await runFederation({ ...JOB, rounds: SOURCE_ROUNDS, store, fixed: sourceSettings('source') })
    const { model } = await runFederation({ ...JOB, fixed: sourceSettings('whole') })
    const resumed = await runFederation(wholeJob(source)('resumed'))
    assert.equal(resumed.model, model, 'the model of a run of all rounds')
    const job = await killable(source, resumed.store)
    const writes = await runs.run(job, { victim: 'coordinator', kill: null })
    const first = writes.indexOf(`put ${resultKey(SOURCE_ROUNDS)}`)
    for (const part of ['run.json', 'coordinators/1.json', 'model.safetensors', 'state.safetensors'])
      assert.ok(
        writes.slice(0, first).some((write) => write.endsWith(part)),
        `${part} in ${writes}`,
      )
    const kills = killsAt(writes.slice(0, first + 1))
    await inParallel(kills, ({ write, index, phase }) =>
      named(`${phase} ${write}`, runs.run(job, { victim: 'coordinator', kill: { index, phase } })),
    )
  })
})
