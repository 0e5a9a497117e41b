// SIGKILL of the coordinator, and of each worker, before and after every one of its writes to the store: the victim is a process of
// its own, over a real nats-server and a shared folder. This process starts its successor, which has only the store, as any successor
// has: a second process would cost its start and show nothing else. Every run must end complete, with the same model and a sound record.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type NatsServer, startNats } from '#cli/run/servers/servers.ts'
import { readStates } from '#coordinator/record/client-states.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { resultKey } from '#protocol/keys.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { killsAt } from '../given/kill-step.ts'
import { openFederation, runFederation } from './federation.ts'
import {
  ANSWER_SECONDS,
  CLIENTS,
  fixedSettings,
  type Orders,
  PACE,
  ROUNDS,
  SIZE,
  SOURCE_ROUNDS,
  settingsOf,
  sourceSettings,
  trainerOf,
} from './kills/job.ts'
import { resultOf } from './record.ts'

/** Runs at the same time: each has a folder and subjects of its own. */
const AT_ONCE = 3
const COORDINATOR = fileURLToPath(new URL('./kills/coordinator.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('./kills/worker.ts', import.meta.url))

/** The job, for coordinator and workers in this process. */
const JOB = { clients: CLIENTS, rounds: ROUNDS, size: SIZE, round: { quorum: 3 } } as const

/** Who is killed where. `victim` is the coordinator or a client. */
interface Kill {
  readonly victim: string
  readonly kill: Orders['kill']
}

/** What a run must come to, whatever is killed. */
interface Expected {
  /** Folder of the record that it starts from; '' for none. */
  readonly source: string
  readonly model: string
  readonly metrics: string
  /** Results of its chain. */
  readonly results: number
  /** Client and digest of each last state. */
  readonly states: readonly string[]
}

let folder: string
let nats: NatsServer
let bus: MessageBus
let reference: Expected
let runs = 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-kills-'))
  nats = await startNats({ folder: join(folder, 'nats') })
  bus = await connectNats({ url: nats.url })
  const whole = { ...JOB, fixed: fixedSettings('whole'), quadratic: () => trainerOf('') }
  const { model, store } = await runFederation(whole)
  const states = await statesOf(store)
  reference = { source: '', model, metrics: await metricsOf(store), results: ROUNDS + 2, states }
})

after(async () => {
  await bus.close()
  await nats.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Training metrics and evaluations of all rounds, as the output says. */
async function metricsOf(store: ObjectStore): Promise<string> {
  return new TextDecoder().decode((await store.get('output/metrics.json'))!)
}

/** The last states of the clients. */
async function statesOf(store: ObjectStore): Promise<string[]> {
  const states = await readStates(store, await resultOf(store, ROUNDS + 1))
  return states.map(({ client, sha256 }) => `${client} ${sha256}`)
}

/** A process that obeys. Resolves to whether it was killed; any other end but a good one fails. */
async function isKilled(program: string, orders: Orders): Promise<boolean> {
  const child = spawn(process.execPath, [program, JSON.stringify(orders)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  if (code !== 0) assert.equal(signal, 'SIGKILL', said)
  return code !== 0
}

/** One whole run with a kill in it; resolves to the writes that the victim was about to make. */
async function runWith({ victim, kill }: Kill, expected = reference): Promise<string[]> {
  const own = join(folder, `run-${runs}`)
  const uid = `kill-${runs}`
  runs += 1
  const store = await openFilesystemStore({ folder: own, durable: false })
  const record = kill === null ? join(folder, `${uid}.txt`) : ''
  const federation = await openFederation({
    ...JOB,
    store,
    // The bus is shared: closing one federation must leave it open.
    bus: { ...bus, close: async () => {} },
    fixed: settingsOf(uid, expected.source),
    pace: PACE,
    answerSeconds: ANSWER_SECONDS,
    quadratic: () => trainerOf(expected.source),
  })
  const orders: Orders = {
    folder: own,
    nats: nats.url,
    uid,
    kill,
    record,
    client: victim,
    scratch: join(federation.folder, victim),
    source: expected.source,
  }
  try {
    const coordinates = victim === 'coordinator'
    const workers = CLIENTS.filter((client) => client !== victim).map((client) => federation.work(client))
    const coordinated = coordinates ? undefined : federation.coordinate()
    const killed = await isKilled(coordinates ? COORDINATOR : WORKER, orders)
    assert.equal(killed, kill !== null, `${victim} was killed as ordered`)
    if (killed && coordinates) await federation.coordinate()
    if (killed && !coordinates) workers.push(federation.work(victim, { incarnation: `${victim}-2` }))
    await coordinated
    for (const end of await Promise.all(workers)) assert.equal(end, 'the run is complete')
    assert.equal(await federation.model(), expected.model, 'the same model bytes')
    assert.equal(await metricsOf(store), expected.metrics, 'the same evaluations')
    assert.deepEqual(await statesOf(store), expected.states, 'the same states of clients')
    const { problems, complete, results } = await verifyRecord(store)
    assert.deepEqual(problems, [])
    assert.deepEqual({ complete, results }, { complete: true, results: expected.results })
  } finally {
    await federation.close()
    await rm(own, { recursive: true, force: true })
  }
  return record === '' ? [] : (await readFile(record, 'utf8')).trim().split('\n')
}

/** Runs all, a few at a time, and reports every failure. */
async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items]
  const failures: unknown[] = []
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      await act(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} of ${items.length} failed: ${failures.join('\n')}`)
}

const named = (what: string, act: Promise<unknown>): Promise<unknown> =>
  act.catch((error: Error) => {
    throw new Error(`killed ${what}: ${error.message}`, { cause: error })
  })

describe('SIGKILL at every write', () => {
  for (const victim of ['coordinator', ...CLIENTS]) {
    test(`of ${victim === 'coordinator' ? 'the coordinator' : `the worker ${victim}`}`, async (t) => {
      const writes = await runWith({ victim, kill: null })
      const least = victim === 'coordinator' ? 20 : 5
      assert.ok(writes.length >= least, `${writes.length} writes: ${writes.join(', ')}`)
      const kills = killsAt(writes)
      await inParallel(kills, ({ write, index, phase }) =>
        named(`${victim} ${phase} ${write}`, runWith({ victim, kill: { index, phase } })),
      )
      t.diagnostic(`${kills.length} kills, one in each run`)
    })
  }

  test('of a coordinator that starts from another record, at each write up to its first result', async () => {
    const source = join(folder, 'source')
    const store = await openFilesystemStore({ folder: source, durable: false })
    await runFederation({ ...JOB, rounds: SOURCE_ROUNDS, store, fixed: sourceSettings('source') })
    const { model } = await runFederation({ ...JOB, fixed: sourceSettings('whole') })
    const resumed = await runFederation({ ...JOB, fixed: settingsOf('resumed', source) })
    assert.equal(resumed.model, model, 'the model of a run of all rounds')
    const metrics = await metricsOf(resumed.store)
    const results = ROUNDS - SOURCE_ROUNDS + 2
    const expected = { source, model, metrics, results, states: [] }
    const writes = await runWith({ victim: 'coordinator', kill: null }, expected)
    const first = writes.indexOf(`put ${resultKey(SOURCE_ROUNDS)}`)
    for (const part of ['run.json', 'coordinators/1.json', 'model.safetensors', 'state.safetensors'])
      assert.ok(
        writes.slice(0, first).some((write) => write.endsWith(part)),
        `${part} in ${writes}`,
      )
    const kills = killsAt(writes.slice(0, first + 1))
    await inParallel(kills, ({ write, index, phase }) =>
      named(`${phase} ${write}`, runWith({ victim: 'coordinator', kill: { index, phase } }, expected)),
    )
  })
})
