// What the operator renders and what the programs read agree: each program's own reader takes the environment and the arguments
// of its container.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOrigin, readPlaces } from '#coordinator/environment.ts'
import { reconcile } from '#operator/reconcile/reconcile.ts'
import type { Environment } from '#runtime/environment.ts'
import { sourceSettings, workerSettings } from '#worker/environment.ts'
import { readSettings } from '#worker/trainer/settings.ts'
import { jobWith, observe, templateOf } from './given/observed.ts'

interface Container {
  readonly name: string
  readonly args?: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
}

const SPEC = {
  partitions: [{ name: 'a', source: { s3: { uri: 's3://site-a/scans' } } }, { name: 'b' }],
  storage: { s3: { endpoint: 'https://s3:9000', caBundleConfigMapName: 'ca' } },
  messaging: { nats: { url: 'tls://nats:4222', credentialsSecretName: 'bus' } },
  workers: { accelerator: { whenUnseen: 'UseCPU' as const } },
  trainer: { segmentAnything: { checkpoint: { credentialsSecretName: 'hub' } } },
  startDeadlineSeconds: 90,
}
const desired = reconcile(observe(jobWith(SPEC)))

function container(job: string, name: string): Container {
  const { spec } = templateOf(desired, `Job/${job}`)
  const all: Container[] = [...(spec.initContainers ?? []), ...spec.containers]
  return all.find((one) => one.name === name) ?? assert.fail(`${job} has no container ${name}`)
}

const environmentOf = ({ env }: Container): Environment =>
  Object.fromEntries(env.map(({ name, value }) => [name, value]))

test("the coordinator's environment is what it reads", () => {
  const env = environmentOf(container('brain-coordinator', 'coordinator'))
  const origin = readOrigin(env)
  assert.ok(origin.kind === 'Cluster')
  assert.deepEqual(origin.identity, { namespace: 'team', name: 'brain', uid: 'u1' })
  const { s3, nats, checkpointCredentials } = readPlaces(env, origin.identity)
  assert.deepEqual(
    [s3.prefix, s3.endpoint, s3.requireTls, nats.url],
    ['team/brain/u1', 'https://s3:9000', true, 'tls://nats:4222'],
  )
  assert.equal(checkpointCredentials, '/etc/fedsam/checkpoint-credentials')
})

test("the network half's environment is what it reads", () => {
  const settings = workerSettings(environmentOf(container('brain-worker-a', 'network')))
  assert.deepEqual(settings.trainer, { kind: 'Pod', seam: '/seam', cache: '/cache', base: true })
  assert.deepEqual(
    [settings.client, settings.subjects, settings.scratch, settings.nats.credentials],
    ['a', 'fedsam.team.u1', '/seam/scratch', { credsFile: '/etc/fedsam/nats-credentials/nats.creds' }],
  )
})

test("the data sidecar's environment is what it reads", () => {
  const { uri, s3, folder } = sourceSettings(environmentOf(container('brain-worker-a', 'data')))
  assert.deepEqual(
    [uri, s3.bucket, s3.endpoint, s3.requireTls, folder],
    ['s3://site-a/scans', 'site-a', 'https://s3:9000', true, '/cache/data'],
  )
})

test("the trainer's argument is what it reads", () => {
  const settings = readSettings(container('brain-worker-a', 'trainer').args?.at(-1))
  assert.deepEqual(
    [settings.whenUnseen, settings.waitSeconds, settings.checkpoint, settings.cache, settings.dataset.root],
    ['UseCPU', 90, '/cache/base/current', '/cache/embeddings', '/data'],
  )
})
