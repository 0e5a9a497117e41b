// coordinator/main.ts as a program with a real API server, nats-server and S3 server, and workers that show tokens of the API server:
// from a bucket that is missing to status Complete. What is not there yet is waited for, and named in the status.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startNats, startS3 } from '#cli/run/servers/servers.ts'
import { sha256 } from '#protocol/digest.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { floodOfMessages, residentBytes } from '../given/strangers.ts'
import { until, untilSeen } from '../until.ts'
import { CLIENTS, type ClusterRuns, NAMESPACE, openClusterRuns } from './cluster-runs.ts'
import { editJob, jobsPath, readJob } from './coordinator-job.ts'

/** Messages of strangers; `npm run bench -- gate` sends 100,000. */
const STRANGERS = 12_000
/** Bytes that strangers may cost: a coordinator that kept their names, 1,900 characters in half of the messages, would take more. */
const MOST_BYTES = (STRANGERS / 2) * 1900

let runs: ClusterRuns
before(async () => {
  runs = await openClusterRuns()
})
after(() => runs?.close())

describe('a coordinator in a cluster', () => {
  test('waits for its bucket, runs the rounds with clients that show who they are, and says Complete', async () => {
    const name = 'whole'
    const uid = await runs.makeJob(name, 'later')
    const coordinator = await runs.startCoordinator(name, uid, { FEDSAM_S3_BUCKET: 'later' })
    const workers = await Promise.all(CLIENTS.map((client) => runs.startWorker(name, uid, client)))
    const missing = await runs.until(name, ({ reason }) => reason === 'StorageMissing', coordinator.output)
    assert.equal(missing.state, 'Waiting')
    assert.match(missing.message!, /later.*create the bucket/s)
    await mkdir(join(runs.folder, 's3', 'buckets', 'later'))
    assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
    assert.deepEqual(await Promise.all(workers.map(({ ended }) => ended)), [0, 0])
    const training = (await readJob(runs.cluster, NAMESPACE, name)).status!.training!
    const { state, epoch, round, attempt, rounds, clients, metrics, head, output, bytes } = training
    assert.deepEqual({ state, epoch, round, attempt }, { state: 'Complete', epoch: 1, round: 2, attempt: 1 })
    assert.deepEqual(
      rounds?.map((one) => [one.round, one.cohort, one.accepted, typeof one.metrics?.loss]),
      [
        [1, 2, 2, 'number'],
        [2, 2, 2, 'number'],
      ],
    )
    assert.equal(clients?.total, 2)
    assert.equal(typeof metrics?.loss, 'number')
    assert.match(head!, /^sha256:[0-9a-f]{64}$/)
    assert.ok(bytes!.received! > 0 && bytes!.sent! > 0)
    assert.equal(output?.uri, `s3://later/${NAMESPACE}/${name}/${uid}/output`)
    const model = join(runs.folder, 's3/buckets/later', NAMESPACE, name, uid, 'output/model.safetensors')
    assert.equal(output?.digest, `sha256:${sha256(await readFile(model))}`)
  })

  test('waits until its key is certified, says so, and then runs', async () => {
    const name = 'uncertified'
    const uid = await runs.makeJob(name, 'fedsam', 1)
    const coordinator = await runs.withoutCertifier(async () => {
      const started = await runs.startCoordinator(name, uid)
      const waiting = await runs.until(name, ({ reason }) => reason === 'NotCertified', started.output)
      assert.deepEqual([waiting.state, waiting.key?.epoch, waiting.epoch], ['Waiting', 1, 1])
      assert.match(waiting.message!, /Check that the operator runs/)
      return started
    })
    for (const client of CLIENTS) await runs.startWorker(name, uid, client)
    assert.equal(await coordinator.ended, 0, coordinator.output())
    const { status } = await readJob(runs.cluster, NAMESPACE, name)
    assert.equal(status?.coordinatorCertificate?.key, status?.training?.key?.publicKey)
  })

  test('never hears a worker with the token of another client, and runs with the right tokens', async () => {
    const name = 'tokens'
    const uid = await runs.makeJob(name)
    const coordinator = await runs.startCoordinator(name, uid)
    const stranger = await runs.startWorker(name, uid, 'b', { member: { role: 'client', client: 'a' } })
    const line = await untilSeen(
      'the gate logs why it refused the stranger',
      () =>
        runs.gate
          .output()
          .split('\n')
          .find((text) => text.includes(`"member":"${uid}/client/b"`)),
      (found) => found !== undefined,
      { instead: stranger.output },
    )
    const { refused, run, namespace, job, msg } = JSON.parse(line!)
    assert.deepEqual([refused, run, namespace, job], ['OtherAudience', uid, NAMESPACE, name])
    assert.match(msg, /another run or another member/)
    assert.match(await runs.gate.metrics(), /fedsam_gate_refused_total\{reason="OtherAudience"\} [1-9]/)
    // It tries for half a minute, then its pod restarts it.
    await until(
      'the stranger gives up',
      () => stranger.child.exitCode !== null || stranger.child.signalCode !== null,
      { instead: stranger.output },
    )
    assert.equal(await stranger.ended, POD_EXITS.Retriable.code, stranger.output())
    assert.match(stranger.output(), /doctor NAME/)
    assert.ok(!coordinator.output().includes('ClientJoined'), coordinator.output())
    for (const client of CLIENTS) await runs.startWorker(name, uid, client)
    assert.equal(await coordinator.ended, 0, coordinator.output())
  })

  test('follows the spec: rounds that are raised while it waits are run', async () => {
    const name = 'raised'
    const uid = await runs.makeJob(name, 'fedsam', 1)
    const coordinator = await runs.startCoordinator(name, uid)
    await runs.until(name, ({ reason }) => reason === 'NotEnoughClients', coordinator.output)
    await editJob(runs.cluster, NAMESPACE, name, { spec: { rounds: 3 } })
    for (const client of CLIENTS) await runs.startWorker(name, uid, client)
    assert.equal(await coordinator.ended, 0, coordinator.output())
    assert.equal((await readJob(runs.cluster, NAMESPACE, name)).status?.training?.round, 3)
  })

  test('waits for the bus and, in the middle of the run, for the store, and goes on by itself', async () => {
    const name = 'cured'
    const [busFolder, storeFolder] = [join(runs.folder, 'nats-away'), join(runs.folder, 's3-away')]
    const bus = await startNats({ folder: busFolder })
    await bus.stop()
    let store = await startS3({ folder: storeFolder, bucket: 'fedsam' })
    const uid = await runs.makeJob(name)
    const coordinator = await runs.startCoordinator(name, uid, {
      FEDSAM_NATS_URL: bus.url,
      FEDSAM_S3_ENDPOINT: store.endpoint,
      AWS_SECRET_ACCESS_KEY: store.secretKey,
    })
    const away = await runs.until(name, ({ reason }) => reason === 'MessagingUnreachable', coordinator.output)
    assert.match(away.message!, /check that the NATS server runs/)
    const back = await startNats({ folder: busFolder, port: bus.port })
    try {
      await runs.until(name, ({ reason }) => reason === 'NotEnoughClients', coordinator.output)
      await store.stop()
      const env = { FEDSAM_NATS_URL: bus.url, FEDSAM_STORES: `${store.endpoint}/` }
      for (const client of CLIENTS) await runs.startWorker(name, uid, client, { env })
      await runs.until(name, ({ reason }) => reason === 'StorageUnreachable', coordinator.output)
      store = await startS3({ folder: storeFolder, bucket: 'fedsam', port: store.port })
      assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
      const { state, epoch, round } = (await readJob(runs.cluster, NAMESPACE, name)).status!.training!
      assert.deepEqual({ state, epoch, round }, { state: 'Complete', epoch: 2, round: 2 })
    } finally {
      await back.stop()
      await store.stop()
    }
  })

  test('on a bus that admits everybody, strangers cost it no memory, and its status is accepted', async () => {
    const name = 'flooded'
    const bus = await startNats({ folder: join(runs.folder, 'nats-open') })
    try {
      const uid = await runs.makeJob(name)
      const env = { FEDSAM_NATS_URL: bus.url }
      const coordinator = await runs.startCoordinator(name, uid, env)
      await runs.until(name, ({ reason }) => reason === 'NotEnoughClients', coordinator.output)
      const prefix = subjectPrefix(NAMESPACE, uid)
      await floodOfMessages(bus.port, prefix, 1000) // the engine compiles the path, and sizes its heap
      const before = await residentBytes(coordinator.child.pid!)
      const logged = coordinator.output().length
      await floodOfMessages(bus.port, prefix, STRANGERS)
      const grown = (await residentBytes(coordinator.child.pid!)) - before
      assert.ok(grown < MOST_BYTES, `it grew by ${grown} bytes`)
      assert.ok(coordinator.output().length - logged < 40_000, 'it logs each stranger')
      for (const client of CLIENTS) await runs.startWorker(name, uid, client, { env })
      assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
      assert.equal((await readJob(runs.cluster, NAMESPACE, name)).status!.training!.state, 'Complete')
    } finally {
      await bus.stop()
    }
  })

  test('ends when its job is deleted', async () => {
    const name = 'deleted'
    const uid = await runs.makeJob(name)
    const coordinator = await runs.startCoordinator(name, uid)
    await runs.until(name, ({ state }) => state === 'Waiting', coordinator.output)
    await runs.cluster.client.call({ method: 'DELETE', path: `${jobsPath(NAMESPACE)}/${name}` })
    assert.equal(await coordinator.ended, POD_EXITS.Superseded.code, coordinator.output())
  })

  test('ends as asked on SIGTERM, and the next one continues with the next epoch', async () => {
    const name = 'stopped'
    const uid = await runs.makeJob(name)
    const first = await runs.startCoordinator(name, uid)
    await runs.until(name, ({ reason }) => reason === 'NotEnoughClients', first.output)
    first.child.kill('SIGTERM')
    assert.equal(await first.ended, POD_EXITS.AskedToStop.code, first.output())
    const second = await runs.startCoordinator(name, uid)
    const training = await runs.until(name, ({ epoch }) => epoch === 2, second.output)
    assert.equal(training.uid, uid)
    second.child.kill('SIGTERM')
    await second.ended
  })

  test('says Failed, and why, where trying again would not help, and its Job is complete', async () => {
    const name = 'hopeless'
    const uid = await runs.makeJob(name)
    const coordinator = await runs.startCoordinator(name, uid, { FEDSAM_S3_BUCKET: '', FEDSAM_NATS_URL: '' })
    assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
    const { state, reason, message } = (await readJob(runs.cluster, NAMESPACE, name)).status!.training!
    assert.deepEqual({ state, reason }, { state: 'Failed', reason: 'BadConfiguration' })
    assert.match(message!, /FEDSAM_S3_BUCKET is missing; FEDSAM_NATS_URL is missing/)
    // A Job that starts it again finds that all is said.
    const again = await runs.startCoordinator(name, uid)
    assert.equal(await again.ended, POD_EXITS.RunOver.code, again.output())
  })
})
