// The gate under load, as a program with a real API server: how long 1,000 workers take to connect at once, and what 100,000 strangers
// with long names cost the gate, nats-server and a coordinator in memory. `npm run bench -- gate 5000` sends that many strangers.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNats } from '#cli/run/servers/servers.ts'
import { type Member, memberName } from '#protocol/identity.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { startCluster } from '#test/cluster/cluster.ts'
import { CLIENTS, NAMESPACE, openClusterRuns } from '#test/cluster/cluster-runs.ts'
import { readJob } from '#test/cluster/coordinator-job.ts'
import { startGatedNats } from '#test/cluster/gate-process.ts'
import { jobOf, openGate } from '#test/given/gate.ts'
import { openRawNats } from '#test/given/raw-nats.ts'
import { floodOfMessages, floodOfStrangers, residentBytes } from '#test/given/strangers.ts'
import type { Figure, Row } from './figure.ts'

const WORKERS = 1000
const TARGET_SECONDS = 5
const STRANGERS = 100_000
const TARGET_BYTES = 20 * 2 ** 20

export const gateUnderLoad: Figure = {
  name: 'gate',
  onlyIfNamed: true,
  async run([count]) {
    const many = count === undefined ? STRANGERS : Number(count)
    return [await workers(), ...(await strangers(many)), await messages(many)]
  },
}

async function workers(): Promise<Row> {
  const clients = Array.from({ length: WORKERS }, (_, at) => `c${at}`)
  const members = clients.map((client): Member => ({ role: 'client', client }))
  const gate = await openGate({ jobs: [jobOf('big', 'run-1', clients)] })
  try {
    await gate.startGate()
    const tokens = await Promise.all(members.map((member) => gate.tokenOf('run-1', member)))
    const began = performance.now()
    const all = await Promise.all(
      members.map((member, at) =>
        openRawNats({ tcp: gate.nats.port }, memberName('run-1', member), tokens[at]!),
      ),
    )
    const seconds = (performance.now() - began) / 1000
    const admitted = all.filter(({ first }) => first.length === 0).length
    for (const raw of all) raw.close()
    return {
      what: `${WORKERS} workers connect at once`,
      value: `${seconds.toFixed(2)} s`,
      against: `target below ${TARGET_SECONDS} s; ${admitted} admitted at the first try`,
      met: seconds < TARGET_SECONDS && admitted === WORKERS,
    }
  } finally {
    await gate.close()
  }
}

async function strangers(count: number): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-bench-'))
  const cluster = await startCluster()
  const { nats, startGate } = await startGatedNats(cluster, folder)
  const gate = await startGate()
  try {
    await floodOfStrangers(nats.port, 1000)
    const memory = () => Promise.all([gate.child.pid!, nats.pid].map(residentBytes))
    const [before, began] = [await memory(), performance.now()]
    const admitted = await floodOfStrangers(nats.port, count, 100)
    const seconds = (performance.now() - began) / 1000
    const after = await memory()
    return ['the gate', 'nats-server'].map((name, at) => ({
      what: `${count} strangers: growth of ${name}`,
      value: `${((after[at]! - before[at]!) / 2 ** 20).toFixed(1)} MB`,
      against: `target below 20 MB; ${(count / seconds).toFixed(0)} strangers a second, ${admitted} admitted`,
      met: after[at]! - before[at]! < TARGET_BYTES && admitted === 0,
    }))
  } finally {
    gate.child.kill('SIGKILL')
    await nats.stop()
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Strangers on a bus that admits everybody: each connects and sends one message to a coordinator. */
async function messages(count: number): Promise<Row> {
  const runs = await openClusterRuns()
  const bus = await startNats({ folder: join(runs.folder, 'nats-open') })
  try {
    const env = { FEDSAM_NATS_URL: bus.url }
    const uid = await runs.makeJob('flooded')
    const coordinator = await runs.startCoordinator('flooded', uid, env)
    await runs.until('flooded', ({ reason }) => reason === 'NotEnoughClients', coordinator.output)
    const prefix = subjectPrefix(NAMESPACE, uid)
    await floodOfMessages(bus.port, prefix, 1000)
    const before = await residentBytes(coordinator.child.pid!)
    await floodOfMessages(bus.port, prefix, count)
    const grown = (await residentBytes(coordinator.child.pid!)) - before
    for (const client of CLIENTS) await runs.startWorker('flooded', uid, client, { env })
    await coordinator.ended
    const state = (await readJob(runs.cluster, NAMESPACE, 'flooded')).status?.training?.state
    return {
      what: `${count} messages: growth of a coordinator`,
      value: `${(grown / 2 ** 20).toFixed(1)} MB`,
      against: `target below 20 MB; the job then ends as ${state}`,
      met: grown < TARGET_BYTES && state === 'Complete',
    }
  } finally {
    await bus.stop()
    await runs.close()
  }
}
