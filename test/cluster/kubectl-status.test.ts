// `kubectl fedsam status` and `watch` of jobs in a real API server: the exact text of every state, and what follows a change.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFedsam } from '../cli/fedsam.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { fedsamIn, makeJob, makeNamespace, makePod, READY, tell, UNSCHEDULABLE } from './kubectl-jobs.ts'
import { STATUS_CASES } from './kubectl-status-cases.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster?.stop())

for (const [name, { told, says }] of Object.entries(STATUS_CASES)) {
  test(`status of a job that is ${name}`, async () => {
    const { client } = cluster
    await makeNamespace(cluster, name)
    await makeJob(client, name, name, told)
    if (told && told.state !== 'Suspended') {
      await makePod(client, name, { job: name, status: READY })
      await makePod(client, name, { job: name, partition: 'site-a', status: READY })
      await makePod(client, name, { job: name, partition: 'site-b', status: UNSCHEDULABLE })
    }
    const { code, stdout, stderr } = await fedsamIn(cluster, ['status', name, '-n', name])
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    const { uid } = JSON.parse((await fedsamIn(cluster, ['status', name, '-n', name, '--json'])).stdout)
    assert.equal(stdout.replaceAll(uid, 'UID'), says)
    assert.ok(stdout.split('\n').every((line) => line.length <= 100))
  })
}

test('the same as JSON, by any way to write the name', async () => {
  const { code, stdout } = await fedsamIn(cluster, ['status', 'fj/training', '-n', 'training', '--json'])
  assert.equal(code, 0)
  const view = JSON.parse(stdout)
  assert.equal(view.state, 'Training')
  assert.deepEqual(
    view.clients.map(({ name, state, reason }: Record<string, string>) => [name, state, reason]),
    [
      ['site-a', 'Present', ''],
      ['site-b', 'Rejected', 'NotFinite'],
      ['site-c', 'Missing', ''],
    ],
  )
})

const TRAINING = { state: 'Training', training: { round: 1, attempt: 1, state: 'Training' } } as const

test('watch follows a job to its end, a line per change, and ends as it ended', async () => {
  const { client, server } = cluster
  await makeNamespace(cluster, 'followed')
  const job = await makeJob(client, 'followed', 'run', { state: 'Waiting' })
  const changes = [
    TRAINING,
    { state: 'Training', training: { round: 2, attempt: 1, state: 'Training', metrics: { dice: 0.5 } } },
    { state: 'Complete', training: { round: 3, attempt: 1, state: 'Complete' } },
  ] as const
  const path = '/apis/fedsam.dev/v1alpha1/namespaces/followed/federatedjobs/run'
  let told = 0
  const { code, stdout } = await startFedsam(process.cwd(), ['watch', 'run', '-n', 'followed'], {
    env: { KUBECONFIG: server.kubeconfig },
    onLine: (line) => {
      // The next change is made when the one before it was seen.
      const change = changes[told]
      if (change === undefined || line === '' || line.startsWith(' ')) return
      told += 1
      // What nobody sees is no news: an annotation first.
      const body = { metadata: { annotations: { touched: String(told) } } }
      const contentType = 'application/merge-patch+json'
      void client
        .call({ method: 'PATCH', path, body, contentType })
        .then(() => sleep(200))
        .then(() => tell(client, 'followed', job, change))
    },
  })
  assert.deepEqual(stdout.split('\n\n')[0]!.split('\n'), [
    'Waiting  round 0/3  The job waits before it trains.',
    'Training  round 1/3  Rounds are running.',
    'Training  round 2/3  dice 0.5000  Rounds are running.',
    'Complete  round 3/3  dice 0.5000  All rounds are done; the output is written.',
  ])
  assert.match(stdout, /\n\nfollowed\/run {2}Complete for 3h {2}round 3 of 3\n/)
  assert.equal(code, 0)
})

test('watch of a job that failed says so at once: exit code 1', async () => {
  const { code, stdout } = await fedsamIn(cluster, ['watch', 'failed', '-n', 'failed'])
  assert.equal(code, 1)
  assert.match(stdout, /^Failed {2}round 2\/3, attempt 3 {2}Three attempts in a row were abandoned/)
})

test('a job that is deleted while it is watched ends the watch', async () => {
  const { client, server } = cluster
  await makeNamespace(cluster, 'doomed')
  await makeJob(client, 'doomed', 'run', TRAINING)
  const path = '/apis/fedsam.dev/v1alpha1/namespaces/doomed/federatedjobs/run'
  const { code, stderr } = await startFedsam(process.cwd(), ['watch', 'run', '-n', 'doomed'], {
    env: { KUBECONFIG: server.kubeconfig },
    onLine: () => void client.call({ method: 'DELETE', path }),
  })
  assert.deepEqual(
    { code, stderr },
    {
      code: 1,
      stderr: 'fedsam: FederatedJob run in namespace doomed was deleted\n  create it again to follow it\n',
    },
  )
})
