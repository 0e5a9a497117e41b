// `fedsam export fj/NAME` and `verify fj/NAME`: a real run's record in a real bucket that a FederatedJob of a real API server names,
// read with the caller's credentials, or with the Secret's where the caller asks for it.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import { attemptKeys, MANIFEST_KEY } from '#protocol/keys.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import { makeSamJob } from '../cli/sam-job.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { makeJob, makeNamespace } from './kubectl-jobs.ts'

let cluster: Cluster
let s3: S3Server
let dir = ''
let prefix = ''
before(async () => {
  cluster = await startCluster()
  dir = await mkdtemp(join(tmpdir(), 'fedsam-kubectl-export-'))
  s3 = await startS3({ folder: join(dir, 'servers'), bucket: 'models' })
  await makeSamJob(dir)
  const wasm = ['--set', 'trainer.segmentAnything.backend=Wasm']
  const { code, stderr } = await startFedsam(dir, ['run', 'job.yaml', '--output', 'out', ...wasm])
  assert.equal(code, 0, stderr)
  await makeNamespace(cluster, 'team-a')
  const storage = {
    s3: { bucket: 'models', prefix: 'runs', endpoint: s3.endpoint, credentialsSecretName: 'store' },
  }
  const { metadata } = await makeJob(cluster.client, 'team-a', 'two-sites', {
    state: 'Complete',
    spec: { storage },
  })
  prefix = `runs/team-a/two-sites/${metadata.uid}`
  await upload(prefix)
})
after(async () => {
  await cluster?.stop()
  await s3?.stop()
  await rm(dir, { recursive: true, force: true })
})

/** The record of the run on this machine, object by object. */
async function upload(to: string): Promise<void> {
  const store = storeAt(to)
  for (const entry of await readdir(join(dir, 'out'), { recursive: true, withFileTypes: true })) {
    const key = join(entry.parentPath, entry.name).slice(join(dir, 'out/').length)
    if (entry.isFile() && /^(run\.json|(clients|coordinators|base|rounds|output)\/)/.test(key))
      await store.put(key, await readFile(join(dir, 'out', key)))
  }
  await store.close()
}

const storeAt = (at: string) =>
  openS3Store({
    bucket: 'models',
    prefix: at,
    endpoint: s3.endpoint,
    credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
  })

/** A user's environment: nothing of AWS but what is given, and no instance role is asked for. */
const fedsam = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  startFedsam(dir, args, {
    env: { KUBECONFIG: cluster.server.kubeconfig, HOME: dir, AWS_EC2_METADATA_DISABLED: 'true', ...env },
  })
const mine = (): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: s3.accessKey,
  AWS_SECRET_ACCESS_KEY: s3.secretKey,
})

test("export fj/NAME with the caller's credentials is the export of the same record in a folder", async () => {
  const ended = await fedsam(['export', 'fj/two-sites', '-n', 'team-a', '--to', 'from-bucket'], mine())
  assert.deepEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: '' })
  assert.match(ended.stdout, /from-bucket: 96 trained tensors of round 1 in sam\n$/)
  assert.equal((await fedsam(['export', 'out', '--to', 'from-folder'])).code, 0)
  const names = (await readdir(join(dir, 'from-folder'))).sort()
  assert.ok(names.includes('model.safetensors'))
  assert.deepEqual((await readdir(join(dir, 'from-bucket'))).sort(), names)
  for (const name of names) {
    const [a, b] = ['from-bucket', 'from-folder'].map((folder) => readFile(join(dir, folder, name)))
    assert.ok((await a!).equals(await b!), name)
  }
})

test('verify fj/NAME and s3://BUCKET/PREFIX read the same record', async () => {
  const byJob = await fedsam(['verify', 'fj/two-sites', '-n', 'team-a'], mine())
  assert.equal(byJob.code, 0, byJob.stderr)
  assert.match(byJob.stdout, /results in the chain/)
  assert.match(
    byJob.stdout,
    /the output is complete\nthe output is signed by the coordinator of epoch 1; --trust KEY verifies .*\nthe record is sound\n$/,
  )
  const uri = `s3://models/${prefix}`
  for (const source of [uri, `${uri}/output`]) {
    const byPrefix = await fedsam(['verify', source, '--endpoint', s3.endpoint], mine())
    assert.equal(byPrefix.stdout, byJob.stdout, byPrefix.stderr)
  }
})

test("an output that the job's status names and the bucket lacks is found", async () => {
  const storage = { s3: { bucket: 'models', prefix: 'runs', endpoint: s3.endpoint } }
  const output = { uri: 's3://models/runs', round: 1, digest: `sha256:${'0'.repeat(64)}` }
  const { metadata } = await makeJob(cluster.client, 'team-a', 'lost', {
    state: 'Complete',
    spec: { storage },
    training: { round: 1, attempt: 1, state: 'Complete', output },
  })
  const at = `runs/team-a/lost/${metadata.uid}`
  await upload(at)
  const store = storeAt(at)
  await store.delete(MANIFEST_KEY)
  await store.close()
  const { code, stdout } = await fedsam(['verify', 'fj/lost', '-n', 'team-a'], mine())
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^the job's status says that the output is complete, but output\/manifest\.json is missing or damaged\n/,
  )
  assert.match(
    stdout,
    /\nthe record is not the one that the job's status describes: restore it from a copy\n$/,
  )
})

test('bytes that do not fit are found: exit code 1', async () => {
  await upload('spoiled')
  const store = storeAt('spoiled')
  const key = attemptKeys(1, 1).model
  await store.delete(key)
  await store.put(key, new Uint8Array(64))
  await store.close()
  const { code, stdout } = await fedsam(['verify', 's3://models/spoiled', '--endpoint', s3.endpoint], mine())
  assert.equal(code, 1)
  assert.ok(stdout.includes(key), stdout)
})

test('the Secret that the job names is read where the caller asks for it, and only then', async () => {
  const args = ['verify', 'fj/two-sites', '-n', 'team-a']
  const without = await fedsam(args)
  assert.equal(without.code, 1)
  assert.match(
    without.stderr,
    /\n {2}give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role\n$/,
  )
  const missing = await fedsam([...args, '--credentials-from-secret'])
  assert.deepEqual(
    { code: missing.code, stderr: missing.stderr },
    {
      code: 2,
      stderr:
        'fedsam: Secret store in namespace team-a does not exist\n  create it with both keys, or use your own AWS credentials\n',
    },
  )
  const body = { metadata: { name: 'store' }, stringData: mine() }
  await cluster.client.call({ method: 'POST', path: '/api/v1/namespaces/team-a/secrets', body })
  const read = await fedsam([...args, '--credentials-from-secret'])
  assert.equal(read.code, 0, read.stderr)
})

test('an endpoint that only pods reach: how to make a way', async () => {
  const storage = { s3: { bucket: 'models', endpoint: 'http://store.storage.svc:7070' } }
  await makeJob(cluster.client, 'team-a', 'inside', { state: 'Complete', spec: { storage } })
  const { code, stderr } = await fedsam(['verify', 'fj/inside', '-n', 'team-a'], mine())
  assert.equal(code, 1)
  assert.ok(
    stderr.endsWith(
      '\n  store.storage.svc is a name inside the cluster: run kubectl -n storage port-forward svc/store 7070:7070 ' +
        'and add --endpoint http://127.0.0.1:7070\n',
    ),
    stderr,
  )
  // Through such a way the bucket is reached; this job's run never began.
  const through = await fedsam(['verify', 'fj/inside', '-n', 'team-a', '--endpoint', s3.endpoint], mine())
  assert.equal(through.code, 2)
  assert.match(through.stderr, /^fedsam: s3:\/\/models\/team-a\/inside\/[0-9a-f-]+ holds no run\n/)
})

test('an address without its scheme', async () => {
  const { code, stderr } = await fedsam(['verify', 's3://models/x', '--endpoint', '127.0.0.1:7070'], mine())
  assert.equal(code, 2)
  assert.match(stderr, /^fedsam: 127\.0\.0\.1:7070 is not the URL of an S3 service\n {2}write it as http/)
})
