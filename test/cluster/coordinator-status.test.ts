// A coordinator's own FederatedJob against a real API server, with the rights that the operator gives it: what it follows, what it
// writes, and what it must not.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { openReporting } from '#coordinator/reporting/status-writer.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { systemClock } from '#runtime/clock.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { openKubernetesJob } from '#transport/kubernetes/job.ts'
import { openClusterKeys } from '#transport/kubernetes/keys.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { clientOf, coordinatorToken, createJob, editJob, jobsPath, readJob } from './coordinator-job.ts'
import { type Fault, type FaultingProxy, startFaultingProxy } from './faulting.ts'

let cluster: Cluster
let proxy: FaultingProxy
const clients: KubernetesClient[] = []
const stop = new AbortController()
before(async () => {
  cluster = await startCluster()
  proxy = await startFaultingProxy(cluster.server, cluster.folder, 'coordinator')
})
after(async () => {
  stop.abort()
  for (const client of clients) client.close()
  await proxy?.close()
  await cluster?.stop()
})

/** The answer to a watch from a version that the API server has dropped. */
const EXPIRED = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old', metadata: {} }
const SPEC = { rounds: 3, partitions: [{ name: 'a' }, { name: 'b' }] }

async function open(namespace: string, uid?: string) {
  const job = uid === undefined ? await createJob(cluster, namespace, 'brain', SPEC) : undefined
  const client = clientOf(cluster.server, await coordinatorToken(cluster, namespace, 'brain'))
  clients.push(client)
  const identity = { namespace, name: 'brain', uid: uid ?? job!.metadata.uid }
  const said: string[] = []
  const log = (line: string): void => void said.push(line)
  const opened = await openKubernetesJob({ client, identity, clock: systemClock(), signal: stop.signal, log })
  return { ...opened, client, uid: identity.uid, said }
}

const training = (uid: string, change: Partial<TrainingStatus> = {}): TrainingStatus => ({
  uid,
  epoch: 1,
  round: 1,
  attempt: 1,
  state: 'Training',
  ...change,
})

describe('the job', () => {
  test('is followed: an edit of the spec arrives, with defaults, and our own status does not count as one', async () => {
    const { source, sink, uid } = await open('followed')
    assert.equal(source.job().spec.rounds, 3)
    assert.equal(source.job().spec.round.maxFailedRounds, 3)
    let changes = 0
    const changed = Promise.withResolvers<void>()
    const following = source.follow(() => {
      changes += 1
      changed.resolve()
    }, stop.signal)
    const ended = assert.rejects(following, { code: 'Superseded', message: /was deleted/ })
    await sink.write(training(uid))
    await editJob(cluster, 'followed', 'brain', { spec: { rounds: 7 } })
    await changed.promise
    assert.equal(source.job().spec.rounds, 7)
    assert.equal(source.job().generation, 2)
    assert.equal(changes, 1)
    assert.equal(source.training()?.round, 1)
    await cluster.client.call({ method: 'DELETE', path: `${jobsPath('followed')}/brain` })
    await ended
  })

  test('is read again where the API server has dropped the history: an edit and a deletion are not missed', async () => {
    const job = await createJob(cluster, 'dropped', 'brain', SPEC)
    const client = clientOf(
      { ...cluster.server, url: proxy.url },
      await coordinatorToken(cluster, 'dropped', 'brain'),
    )
    clients.push(client)
    const identity = { namespace: 'dropped', name: 'brain', uid: job.metadata.uid }
    const { source } = await openKubernetesJob({
      client,
      identity,
      clock: systemClock(),
      signal: stop.signal,
      log() {},
    })
    // The edit is lost in a connection that breaks, and its version in the history that the server drops.
    const faults: Fault[] = ['Truncated', { status: 410, body: EXPIRED }]
    proxy.decide = ({ path }) => (path.includes('watch=true') ? faults.shift() : undefined)
    const changed = Promise.withResolvers<void>()
    const ended = assert.rejects(source.follow(changed.resolve, stop.signal), {
      code: 'Superseded',
      message: /was deleted/,
    })
    await until('the watch', () => faults.length === 1)
    await editJob(cluster, 'dropped', 'brain', { spec: { rounds: 7 } })
    await changed.promise
    assert.equal(faults.length, 0)
    assert.equal(source.job().spec.rounds, 7)
    await cluster.client.call({ method: 'DELETE', path: `${jobsPath('dropped')}/brain` })
    await ended
  })

  test('that is another one under the same name is not written', async () => {
    await createJob(cluster, 'another', 'brain', SPEC)
    await assert.rejects(open('another', crypto.randomUUID()), {
      code: 'Superseded',
      message: /another job has its name/,
    })
  })
})

describe('the status', () => {
  test('of another job, as a restored backup brings it, is not taken for ours', async () => {
    await createJob(cluster, 'restored', 'brain', SPEC)
    const status = { training: training(crypto.randomUUID(), { epoch: 7, round: 2 }) }
    await cluster.client.call({
      method: 'PATCH',
      path: `${jobsPath('restored')}/brain/status?fieldManager=backup&force=true`,
      body: { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name: 'brain' }, status },
      contentType: 'application/apply-patch+yaml',
    })
    const { metadata } = await readJob(cluster, 'restored', 'brain')
    const { source, sink } = await open('restored', metadata.uid)
    assert.equal(source.training(), undefined)
    await sink.write(training(metadata.uid))
    assert.equal(source.training()?.epoch, 1)
  })

  test("takes the place of what was there, and leaves the operator's fields", async () => {
    const { sink, uid } = await open('written')
    const status = { summary: { state: 'Waiting' }, observedGeneration: 1 }
    const path = `${jobsPath('written')}/brain/status`
    await cluster.client.call({
      method: 'PATCH',
      path: `${path}?fieldManager=fedsam-operator&force=true`,
      body: { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name: 'brain' }, status },
      contentType: 'application/apply-patch+yaml',
    })
    const absent = [{ name: 'b', outcome: 'Unreachable' as const, reason: 'NotHeard', message: '' }]
    await sink.write(training(uid, { clients: { total: 2, absent }, message: 'one' }))
    await sink.write(training(uid, { clients: { total: 2, absent: [] }, metrics: { loss: 0.5 } }))
    const stored = (await readJob(cluster, 'written', 'brain')).status
    assert.deepEqual(stored?.training, training(uid, { clients: { total: 2 }, metrics: { loss: 0.5 } }))
    assert.deepEqual(stored?.summary, status.summary)
    assert.equal(stored?.observedGeneration, 1)
  })

  test('is written although others change the job meanwhile', async () => {
    const { sink, uid } = await open('busy')
    await sink.write(training(uid))
    await editJob(cluster, 'busy', 'brain', { spec: { rounds: 9 } })
    await sink.write(training(uid, { round: 2 }))
    assert.equal((await readJob(cluster, 'busy', 'brain')).status?.training?.round, 2)
  })

  test('of a job that was recreated is never written by the coordinator of the old one, which ends', async () => {
    const { sink, uid } = await open('again')
    await sink.write(training(uid))
    await cluster.client.call({ method: 'DELETE', path: `${jobsPath('again')}/brain` })
    await assert.rejects(sink.write(training(uid, { round: 2 })), { code: 'Superseded' })
    await createJob(cluster, 'again', 'brain', SPEC)
    await assert.rejects(sink.write(training(uid, { round: 2 })), { code: 'Superseded' })
    assert.equal((await readJob(cluster, 'again', 'brain')).status?.training, undefined)
  })

  test('of a newer coordinator ends an older one', async () => {
    const older = await open('epochs')
    const newer = await open('epochs', older.uid)
    await older.sink.write(training(older.uid))
    await newer.sink.write(training(older.uid, { epoch: 2 }))
    await assert.rejects(older.sink.write(training(older.uid, { round: 2 })), { code: 'Superseded' })
    assert.equal((await readJob(cluster, 'epochs', 'brain')).status?.training?.epoch, 2)
  })

  test('that goes back within an epoch is refused by the schema', async () => {
    const { sink, uid } = await open('back')
    await sink.write(training(uid, { round: 2 }))
    await assert.rejects(sink.write(training(uid, { round: 1 })), { name: 'StatusRefused' })
  })

  test('that the schema refuses, and one above the size of an object, are cut: the run is Complete all the same', async () => {
    const { sink, uid } = await open('refused')
    const absent = [{ name: 'x'.repeat(2000), outcome: 'Refused' as const, reason: '', message: '' }]
    const metrics = Object.fromEntries([...Array(20).keys()].map((i) => [`${i}${'x'.repeat(100_000)}`, 1]))
    for (const foreign of [{ clients: { absent } }, { metrics }]) {
      const begin = training(uid, { state: 'Complete', reason: 'Complete', ...foreign })
      const finished = new AbortController()
      const reporting = openReporting({
        sink,
        begin,
        outputUri: '',
        clock: systemClock(),
        now: () => 0,
        statusSeconds: 1,
        log: () => {},
        signal: finished.signal,
      })
      const running = reporting.run()
      await reporting.settled()
      finished.abort()
      await running
      const stored = (await readJob(cluster, 'refused', 'brain')).status?.training
      assert.equal(stored?.state, 'Complete')
      assert.match(stored?.message ?? '', /refused the details/)
    }
  })

  test('is all that the account may change', async () => {
    const { client } = await open('rights')
    const body = { spec: { rounds: 9 } }
    const path = `${jobsPath('rights')}/brain`
    const patch = client.call({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
    await assert.rejects(patch, { status: 403 })
    await assert.rejects(client.call({ method: 'GET', path: jobsPath('rights') }), { status: 403 })
  })
})

test("the cluster's keys can be read by the account", async () => {
  const { client } = await open('keys')
  const { keys } = await openClusterKeys(client, systemClock()).known()
  assert.ok(keys.some(({ kty, kid }) => kty === 'RSA' && typeof kid === 'string'))
})
