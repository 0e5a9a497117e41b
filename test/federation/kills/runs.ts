// Runs in which one process is killed at one of its writes, over a real nats-server and a shared folder. The victim is a process of its own.
// This process starts its successor, which has only the store, as any successor has: a second process would cost its start and show nothing else.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startNats } from '#cli/run/servers/servers.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { type Federation, type FederationOptions, openFederation } from '../federation.ts'
import { ANSWER_SECONDS, CLIENTS, type Orders, PACE } from './job.ts'

/** Runs at the same time: each has a folder and subjects of its own. */
const AT_ONCE = 3
const programOf = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
const COORDINATOR = 'coordinator'

/** Who is killed where. `victim` is the coordinator or a client. */
export interface Kill {
  readonly victim: string
  readonly kill: Orders['kill']
}

/** A job, and what its run must come to, whatever is killed. */
export interface Killable {
  /** The job with this uid, for coordinator and workers in this process. */
  readonly federation: (uid: string) => FederationOptions
  readonly orders: Pick<Orders, 'source' | 'isProgram'>
  readonly facts: (store: ObjectStore) => Promise<object>
  readonly expected: object
}

export interface KillRuns {
  readonly folder: string
  /** One whole run with a kill in it; resolves to the writes that the victim was about to make. */
  run(job: Killable, kill: Kill): Promise<string[]>
  close(): Promise<void>
}

export async function openKillRuns(): Promise<KillRuns> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-kills-'))
  const nats = await startNats({ folder: join(folder, 'nats') })
  const bus = await connectNats({ url: nats.url })
  let runs = 0
  return {
    folder,
    async run({ federation: optionsOf, orders: about, facts, expected }, { victim, kill }) {
      const own = join(folder, `run-${runs}`)
      const uid = `kill-${runs}`
      runs += 1
      const store = await openFilesystemStore({ folder: own, durable: false })
      const record = kill === null ? join(folder, `${uid}.txt`) : ''
      const federation = await openFederation({
        ...optionsOf(uid),
        store,
        // The bus is shared: closing one federation must leave it open.
        bus: { ...bus, close: async () => {} },
        pace: PACE,
        answerSeconds: ANSWER_SECONDS,
      })
      const scratch = victim === COORDINATOR ? federation.folder : join(federation.folder, victim)
      const orders = { folder: own, nats: nats.url, uid, kill, record, client: victim, scratch, ...about }
      try {
        const ends = await (victim === COORDINATOR
          ? withoutCoordinator(federation, orders)
          : withoutWorker(federation, orders, victim))
        for (const end of ends) assert.equal(end, 'the run is complete')
        assert.deepEqual(await facts(store), expected)
      } finally {
        await federation.close()
        await rm(own, { recursive: true, force: true })
      }
      return record === '' ? [] : (await readFile(record, 'utf8')).trim().split('\n')
    },
    async close() {
      await bus.close()
      await nats.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs it with a coordinator that obeys, and a successor. Resolves to the ends of the workers. */
async function withoutCoordinator(federation: Federation, orders: Orders): Promise<string[]> {
  const workers = CLIENTS.map((client) => federation.work(client))
  if (await isKilled('coordinator', orders)) await federation.coordinate()
  return Promise.all(workers)
}

/** Runs it with a worker that obeys, and a successor. */
async function withoutWorker(federation: Federation, orders: Orders, victim: string): Promise<string[]> {
  const workers = CLIENTS.filter((client) => client !== victim).map((client) => federation.work(client))
  const coordinated = federation.coordinate()
  if (await isKilled('worker', orders)) workers.push(federation.work(victim, { incarnation: `${victim}-2` }))
  await coordinated
  return Promise.all(workers)
}

/** A process that obeys. Resolves to whether it was killed, as it was ordered to be; any other end but a good one fails. */
async function isKilled(program: 'coordinator' | 'worker', orders: Orders): Promise<boolean> {
  const child = spawn(process.execPath, [programOf(program), JSON.stringify(orders)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  if (code !== 0) assert.equal(signal, 'SIGKILL', said)
  assert.equal(code !== 0, orders.kill !== null, `the ${program} was killed as ordered`)
  return code !== 0
}

/** Runs all, a few at a time, and reports every failure. */
export async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
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

/** Says in a failure what was killed. */
export const named = (what: string, act: Promise<unknown>): Promise<unknown> =>
  act.catch((error: Error) => {
    throw new Error(`killed ${what}: ${error.message}`, { cause: error })
  })
