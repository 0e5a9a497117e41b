// What people get wrong on a cluster, and the exact words that they get for it, against a real API server: one sentence, what to
// do, and the exit code.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { fedsamIn, makeJob, makeNamespace, makePod, READY } from './kubectl-jobs.ts'

let cluster: Cluster
let dir = ''
before(async () => {
  cluster = await startCluster()
  dir = await mkdtemp(join(tmpdir(), 'fedsam-mistakes-'))
  await makeNamespace(cluster, 'team-a')
  await makeJob(cluster.client, 'team-a', 'brain-tissue')
  await makeJob(cluster.client, 'team-a', 'cells')
})
after(async () => {
  await cluster?.stop()
  await rm(dir, { recursive: true, force: true })
})

/** The administrator's kubeconfig with something changed in it. */
async function kubeconfig(name: string, change: (text: string) => string): Promise<string> {
  const text = await readFile(cluster.server.kubeconfig, 'utf8')
  const changed = change(text)
  assert.notEqual(changed, text)
  const file = join(dir, name)
  await writeFile(file, changed)
  return file
}

/** A kubeconfig of a service account that may do what the rules say in team-a. */
async function kubeconfigOf(account: string, rules: readonly object[]): Promise<string> {
  const { client, server } = cluster
  const inTeam = '/apis/rbac.authorization.k8s.io/v1/namespaces/team-a'
  const metadata = { name: account }
  await client.call({ method: 'POST', path: '/api/v1/namespaces/team-a/serviceaccounts', body: { metadata } })
  await client.call({ method: 'POST', path: `${inTeam}/roles`, body: { metadata, rules } })
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account }
  const subjects = [{ kind: 'ServiceAccount', name: account, namespace: 'team-a' }]
  const body = { metadata, roleRef, subjects }
  await client.call({ method: 'POST', path: `${inTeam}/rolebindings`, body })
  const token = (await server.kubectl(['-n', 'team-a', 'create', 'token', account])).trim()
  const file = join(dir, account)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'team',
    clusters: [
      {
        name: 'c',
        cluster: {
          server: server.url,
          'certificate-authority-data': Buffer.from(server.ca).toString('base64'),
        },
      },
    ],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'team', context: { cluster: 'c', user: 'u', namespace: 'team-a' } }],
  }
  await writeFile(file, JSON.stringify(config))
  return file
}

const fails = (ended: Ended, code: number, stderr: string): void => {
  assert.deepEqual({ ...ended, stdout: '' }, { code, stdout: '', stderr })
}

const fedsam = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  startFedsam(dir, args, { env: { KUBECONFIG: '', HOME: dir, ...env } })

test('a name that is not there: the names that are', async () => {
  const ended = await fedsamIn(cluster, ['status', 'brian-tissue', '-n', 'team-a'])
  fails(
    ended,
    2,
    'fedsam: there is no FederatedJob brian-tissue in namespace team-a\n  choose one of: brain-tissue, cells\n',
  )
})

test('another namespace than the job is in', async () => {
  const ended = await fedsamIn(cluster, ['logs', 'brain-tissue'])
  fails(
    ended,
    2,
    'fedsam: there is no FederatedJob brain-tissue in namespace default\n' +
      '  this namespace has no FederatedJob; choose another one with -n\n',
  )
})

test('a client that the job does not have', async () => {
  const ended = await fedsamIn(cluster, ['logs', 'cells', '--client', 'site-d', '-n', 'team-a'])
  fails(
    ended,
    2,
    'fedsam: FederatedJob cells has no client site-d\n  name one of: coordinator, site-a, site-b, site-c\n',
  )
})

test('a job without pods has no logs', async () => {
  const ended = await fedsamIn(cluster, ['logs', 'cells', '-n', 'team-a'])
  fails(
    ended,
    1,
    'fedsam: cells has no pod, so there is no log\n  find out why: fedsam status cells -n team-a\n',
  )
})

test('a pod that no node runs has said nothing', async () => {
  await makePod(cluster.client, 'team-a', { job: 'cells', partition: 'site-a', status: READY })
  const { code, stdout, stderr } = await fedsamIn(cluster, [
    'logs',
    'cells',
    '-n',
    'team-a',
    '--client',
    'site-a',
  ])
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  // No node runs it here.
  assert.equal(stderr, '[site-a network] wrote no line yet\n[site-a] wrote no line yet\n')
})

test('no kubeconfig at all', async () => {
  fails(
    await fedsam(['status', 'cells']),
    2,
    "fedsam: ~/.kube/config: no cluster is configured\n  name your cluster's kubeconfig with --kubeconfig, or in KUBECONFIG\n",
  )
})

test('a context that the kubeconfig does not have', async () => {
  const { kubeconfig } = cluster.server
  const ended = await fedsam(['status', 'cells', '--kubeconfig', kubeconfig, '--context', 'prod'])
  const context = (await cluster.server.kubectl(['config', 'current-context'])).trim()
  fails(
    ended,
    2,
    `fedsam: ${kubeconfig}: the kubeconfig has no context prod\n  choose one with --context: ${context}\n`,
  )
})

test('a cluster that is not there', async () => {
  const file = await kubeconfig('away', (text) => text.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:9'))
  const { code, stderr } = await fedsam(['doctor', '--kubeconfig', file])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^fedsam: https:\/\/127\.0\.0\.1:9 \(context \S+\) cannot be reached: ECONNREFUSED\n {2}start the cluster/,
  )
})

test('a server behind a path is asked below it: here there is nothing', async () => {
  const file = await kubeconfig('proxied', (text) =>
    text.replace(/(127\.0\.0\.1:\d+)/, '$1/k8s/clusters/c-1'),
  )
  const { code, stderr } = await fedsam(['status', 'cells', '--kubeconfig', file, '-n', 'team-a'])
  assert.equal(code, 2)
  assert.match(
    stderr,
    /\/k8s\/clusters\/c-1 \(context \S+\) does not serve FederatedJobs\n {2}install the chart/,
  )
})

test('a server whose certificate another authority signed', async () => {
  const other = await readFile(new URL('../tls/ca.pem', import.meta.url))
  const file = join(dir, 'stranger')
  await cluster.server.kubectl(['config', 'view', '--raw', '-o', 'json']).then((text) => {
    const config = JSON.parse(text)
    delete config.clusters[0].cluster['certificate-authority']
    config.clusters[0].cluster['certificate-authority-data'] = other.toString('base64')
    return writeFile(file, JSON.stringify(config))
  })
  const { code, stderr } = await fedsam(['status', 'cells', '--kubeconfig', file])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /shows a certificate that is not trusted: .+\n {2}compare the kubeconfig's server and certificate-authority/,
  )
})

test('a user who may read jobs but not pods sees the job, and which right logs need', async () => {
  const jobs = { apiGroups: ['fedsam.dev'], resources: ['federatedjobs'], verbs: ['get', 'list'] }
  const file = await kubeconfigOf('reader', [jobs])
  const seen = await fedsam(['status', 'cells', '--kubeconfig', file])
  assert.equal(seen.code, 0)
  assert.match(seen.stdout, /site-a {2}Unknown\n/)
  fails(
    await fedsam(['logs', 'cells', '--kubeconfig', file]),
    1,
    'fedsam: User "system:serviceaccount:team-a:reader" may not list pods in namespace team-a\n' +
      '  ask an administrator of the cluster for a role that may list pods in namespace team-a\n',
  )
})

test('a user without rights sees which verb on which resource is missing', async () => {
  const file = await kubeconfigOf('nobody', [])
  fails(
    await fedsam(['status', 'cells', '--kubeconfig', file]),
    1,
    'fedsam: User "system:serviceaccount:team-a:nobody" may not get federatedjobs cells in namespace team-a\n' +
      '  ask an administrator of the cluster for a role that may get federatedjobs cells in namespace team-a\n',
  )
})

test('credentials that have expired', async () => {
  const file = await kubeconfigOf('late', [])
  await writeFile(file, (await readFile(file, 'utf8')).replace(/"token":"[^"]+"/, '"token":"gone"'))
  fails(
    await fedsam(['watch', 'cells', '--kubeconfig', file]),
    1,
    `fedsam: ${cluster.server.url} does not accept the credentials of context team\n` +
      '  log in again, or choose another context with --context\n',
  )
})
