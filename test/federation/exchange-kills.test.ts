// SIGKILL of the coordinator of a Program run, and of each of its clients, before and after every one of its writes: the same bytes, a sound
// record, and nothing in the store that no marker names.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { payloadsNamedAt } from '#coordinator/record/marker-facts.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { sha256 } from '#protocol/digest.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import { readMarker } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { killsAt } from '../given/kill-step.ts'
import { CLIENTS, exchanges, programSettings } from '../programs/exchanges.ts'
import { runFederation } from './federation.ts'
import { inParallel, type Killable, type KillRuns, named, openKillRuns } from './kills/runs.ts'

/** Of the program, average.mjs. */
const EXCHANGES = 3

let runs: KillRuns
let job: Killable
before(async () => {
  runs = await openKillRuns()
  const federation = (uid: string) => ({ ...exchanges(), fixed: programSettings(uid) })
  const { store, error } = await runFederation(federation('whole'))
  assert.equal(error, null)
  job = {
    federation,
    orders: { source: '', isProgram: true },
    facts: factsOf,
    expected: await factsOf(store),
  }
})
after(() => runs?.close())

/** The output, and what counts in each exchange. */
async function factsOf(store: ObjectStore): Promise<object> {
  const { problems, complete } = await verifyRecord(store)
  assert.deepEqual([problems, complete], [[], true])
  const decided = []
  for (let exchange = 1; exchange <= EXCHANGES; exchange += 1) {
    const keys = exchangeKeys(exchange)
    const { replies, states = [] } = readMarker('exchange', keys.decision, (await store.get(keys.decision))!)
    decided.push(replies.map(({ client, outcome, reason }) => `${client} ${outcome} ${reason}`))
    decided.push(states.map(({ client, sha256 }) => `${client} ${sha256}`))
    decided.push(await leftIn(store, exchange))
  }
  const digestOf = async (file: string): Promise<string> => sha256((await store.get(`output/${file}`))!)
  return {
    model: await digestOf('model.safetensors'),
    metrics: await digestOf('metrics.json'),
    history: await digestOf('history.txt'),
    decided,
    // The result's file, its model, its history: one coordinator's alone.
    program: (await store.list('program/'))!.length,
  }
}

/** The uploads of an exchange that no reply names. */
async function leftIn(store: ObjectStore, exchange: number): Promise<string[]> {
  const { replies, reply } = exchangeKeys(exchange)
  const named = await Promise.all(CLIENTS.map((client, at) => payloadsNamedAt(store, reply(client, at))))
  const all = (await store.list(replies))!.filter((key) => !key.endsWith('.json'))
  return all.filter((key) => !named.flat().includes(key))
}

describe('SIGKILL at every write of a Program run', () => {
  for (const victim of ['coordinator', ...CLIENTS]) {
    test(`of ${victim === 'coordinator' ? 'the coordinator' : `the worker ${victim}`}`, async (t) => {
      const writes = await runs.run(job, { victim, kill: null })
      // A worker: state, reply and marker for each message.
      const least = victim === 'coordinator' ? 15 : 3 * EXCHANGES
      assert.ok(writes.length >= least, `${writes.length} writes: ${writes.join(', ')}`)
      const kills = killsAt(writes)
      await inParallel(kills, ({ write, index, phase }) =>
        named(`${victim} ${phase} ${write}`, runs.run(job, { victim, kill: { index, phase } })),
      )
      t.diagnostic(`${kills.length} kills, one in each run`)
    })
  }
})
