// gate/main.ts as a program, with the chart's rights at a real API server and tokens that this API server issues: who is admitted, a
// gate that is killed, and strangers who flood it.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { audienceOf, COORDINATOR, type Member, memberName } from '#protocol/identity.ts'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { coordinatorName, workerName } from '#protocol/names.ts'
import { CLIENT_A, CLIENT_B } from '../given/gate.ts'
import { openRawNats, type RawNats } from '../given/raw-nats.ts'
import { floodOfStrangers, residentBytes } from '../given/strangers.ts'
import { untilSeen } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { accountToken, createJob, jobsPath } from './coordinator-job.ts'
import { type GatedNats, type RunningGate, startGatedNats } from './gate-process.ts'

const NAMESPACE = 'team-a'
const REFUSED = ["-ERR 'Authorization Violation'"]
/** Memory that strangers may cost each program. */
const MOST_BYTES = 20 * 2 ** 20
/** Strangers; `npm run bench -- gate` has 100,000. */
const STRANGERS = 2000

let folder: string
let cluster: Cluster
let gated: GatedNats
let gate: RunningGate
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-gate-'))
  cluster = await startCluster()
  gated = await startGatedNats(cluster, folder)
  gate = await gated.startGate()
})
after(async () => {
  gate?.child.kill('SIGKILL')
  await gated?.nats.stop()
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Creates a job and the accounts of its pods; resolves to its uid. */
async function makeJob(name: string): Promise<string> {
  const spec = {
    trainer: { type: 'Command', command: { command: ['unused'] } },
    partitions: ['a', 'b'].map((client) => ({ name: client })),
  }
  const { metadata } = await createJob(cluster, NAMESPACE, name, spec)
  for (const account of [coordinatorName(name), workerName(name, 'a'), workerName(name, 'b')])
    await cluster.server.kubectl(['create', 'serviceaccount', account, '-n', NAMESPACE])
  return metadata.uid
}

const tokenOf = (job: string, uid: string, member: Member): Promise<string> => {
  const account = member.role === 'client' ? workerName(job, member.client) : coordinatorName(job)
  return accountToken(cluster.server, NAMESPACE, account, audienceOf(uid, member))
}

const open = (uid: string, member: Member, token: string) =>
  openRawNats({ tcp: gated.nats.port }, memberName(uid, member), token)

/** Connects until the server's answer is this one: the gate may not have seen a change yet, or is away. */
async function openUntil(uid: string, member: Member, token: string, answer: string[]): Promise<RawNats> {
  return untilSeen(
    `${memberName(uid, member)} gets ${answer}`,
    async () => {
      const raw = await open(uid, member, token)
      if (JSON.stringify(raw.first) !== JSON.stringify(answer)) raw.close()
      return raw
    },
    ({ first }) => JSON.stringify(first) === JSON.stringify(answer),
    { instead: () => gate.output() },
  )
}

describe('the gate', () => {
  test('admits each pod by a token of the API server, for its own subjects, as long as its job exists', async () => {
    const uid = await makeJob('brain')
    const prefix = subjectPrefix(NAMESPACE, uid)
    const [ofA, ofB, ofCoordinator] = await Promise.all(
      [CLIENT_A, CLIENT_B, COORDINATOR].map((member) => tokenOf('brain', uid, member)),
    )
    const a = await openUntil(uid, CLIENT_A, ofA!, [])
    const coordinator = await openUntil(uid, COORDINATOR, ofCoordinator!, [])
    assert.deepEqual(await coordinator.send(`SUB ${clientSubject(prefix, '*')} 1`), [])
    assert.deepEqual(
      await a.send(`SUB ${clientInbox(prefix, 'a')}.> 1`, `PUB ${clientSubject(prefix, 'a')} 2`, 'hi'),
      [],
    )
    assert.deepEqual(await coordinator.send(), [`MSG ${clientSubject(prefix, 'a')} 1 2`, 'hi'])
    assert.match((await a.send(`SUB ${clientInbox(prefix, 'b')}.> 2`)).join(), /Permissions Violation/)
    // A token of the right account for the API server itself, and the token of another client.
    const forApi = await accountToken(cluster.server, NAMESPACE, workerName('brain', 'a'))
    for (const token of [forApi, ofB!]) assert.deepEqual((await open(uid, CLIENT_A, token)).first, REFUSED)
    await cluster.client.call({ method: 'DELETE', path: `${jobsPath(NAMESPACE)}/brain` })
    ;(await openUntil(uid, CLIENT_A, ofA!, REFUSED)).close()
    assert.match(await gate.metrics(), /fedsam_gate_refused_total\{reason="UnknownJob"\} [1-9]/)
    a.close()
    coordinator.close()
  })

  test('that is killed ends no connection; the next one admits again', async () => {
    const uid = await makeJob('killed')
    const prefix = subjectPrefix(NAMESPACE, uid)
    const [ofA, ofB] = await Promise.all([CLIENT_A, CLIENT_B].map((member) => tokenOf('killed', uid, member)))
    const a = await openUntil(uid, CLIENT_A, ofA!, [])
    gate.child.kill('SIGKILL')
    await gate.ended
    assert.deepEqual(await a.send(`PUB ${clientSubject(prefix, 'a')} 0`, ''), [])
    assert.deepEqual((await open(uid, CLIENT_B, ofB!)).first, ["-ERR 'Authorization Violation'"])
    gate = await gated.startGate()
    ;(await openUntil(uid, CLIENT_B, ofB!, [])).close()
    assert.deepEqual(await a.send(`PUB ${clientSubject(prefix, 'a')} 0`, ''), [])
    a.close()
  })

  test(`stays within its memory and its log under ${STRANGERS} strangers with long names, and so does nats-server`, async () => {
    const { port, pid } = gated.nats
    await floodOfStrangers(port, 500) // the engine compiles the path, and sizes its heap
    const memory = () => Promise.all([gate.child.pid!, pid].map(residentBytes))
    const before = await memory()
    const logged = gate.output().length
    assert.equal(await floodOfStrangers(port, STRANGERS), 0)
    const after = await memory()
    for (const [at, name] of ['the gate', 'nats-server'].entries())
      assert.ok(after[at]! - before[at]! < MOST_BYTES, `${name} grew by ${after[at]! - before[at]!} bytes`)
    assert.ok(gate.output().length - logged < 40_000)
    assert.match(await gate.metrics(), /fedsam_gate_refused_total\{reason="UnknownUser"\} [1-9]\d{3}/)
    const uid = await makeJob('honest')
    ;(await openUntil(uid, CLIENT_A, await tokenOf('honest', uid, CLIENT_A), [])).close()
  })
})
