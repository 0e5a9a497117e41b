// An upgrade with a running job: the operator of the previous commit makes the children, this one takes over with other images, and no
// Job and no pod is recreated. The previous commit is checked out beside this one and runs as a program, with its own CRD first.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'
import { ROOT } from '../cli/fedsam.ts'
import { until } from '../until.ts'
import { withOperatorProcess } from './operator-process.ts'

const CRD = 'crds/fedsam.dev_federatedjobs.yaml'
const SITES = ['a', 'b']
const git = (...args: readonly string[]) => promisify(execFile)('git', ['-C', ROOT, ...args])

let folder: string
let previous: string
let server: KubernetesServer
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-upgrade-'))
  previous = join(folder, 'previous')
  await git('worktree', 'add', '--detach', previous, 'HEAD~1')
  await symlink(join(ROOT, 'node_modules'), join(previous, 'node_modules'))
  server = await startKubernetes({ folder: join(folder, 'cluster'), controllers: true })
})
after(async () => {
  await server?.stop()
  await git('worktree', 'remove', '--force', previous)
  await rm(folder, { recursive: true, force: true })
})

/** Runs the operator of a checkout, with images of this tag, while `body` does. */
async function withOperator(root: string, tag: string, body: () => Promise<void>): Promise<void> {
  await withOperatorProcess({ root, tag, env: { KUBECONFIG: server.kubeconfig } }, body)
}

const apply = (sites: readonly string[]): Promise<string> =>
  server.kubectl(
    ['apply', '-f', '-'],
    JSON.stringify({
      apiVersion: 'fedsam.dev/v1alpha1',
      kind: 'FederatedJob',
      metadata: { name: 'brain' },
      spec: {
        partitions: sites.map((name) => ({ name })),
        storage: { s3: { bucket: 'models' } },
        messaging: { nats: { url: 'tls://nats:4222' } },
      },
    }),
  )

/** Name and uid of the job's Jobs and pods, those of a later partition left out. */
async function children(): Promise<string[]> {
  const text = await server.kubectl(['get', 'jobs,pods', '-l', 'fedsam.dev/job=brain', '-o', 'json'])
  const items = JSON.parse(text).items as { kind: string; metadata: { name: string; uid: string } }[]
  return items
    .filter(({ metadata }) => !metadata.name.startsWith('brain-worker-c'))
    .map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.uid}`)
    .sort()
}

test('no Job and no pod of a running job is recreated', async () => {
  await server.kubectl(['apply', '--server-side', '-f', join(previous, CRD)])
  let made: string[] = []
  await withOperator(previous, 'old', async () => {
    await until('served', async () => (await apply(SITES)) !== '')
    await until('three Jobs and their pods', async () => (await children()).length === 6)
    made = await children()
  })
  await server.kubectl(['apply', '--server-side', '-f', CRD])
  await withOperator(ROOT, 'new', async () => {
    await apply([...SITES, 'c'])
    await until(
      'the new operator has looked at it',
      async () => (await server.kubectl(['get', 'job', 'brain-worker-c', '-o', 'name'])) !== '',
    )
    // A partition later, everything of this pass is written.
    await apply(SITES)
    await until(
      'and looked again',
      async () => (await server.kubectl(['get', 'jobs', '-o', 'name'])).includes('brain-worker-c') === false,
    )
  })
  assert.deepEqual(await children(), made)
})
