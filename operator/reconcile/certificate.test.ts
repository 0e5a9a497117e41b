// Which key of a coordinator the operator certifies.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { certificateFault } from '#protocol/certificate.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { jobWith, observe, templateOf } from '#test/given/observed.ts'
import { keyNamed, TRUST } from '#test/given/signed.ts'
import { storeUrl } from './pods/settings.ts'
import { reconcile } from './reconcile.ts'

const KEY = keyNamed('coordinator').publicKey
const report = (change: Partial<TrainingStatus> = {}): TrainingStatus => ({
  uid: 'u1',
  epoch: 3,
  round: 1,
  attempt: 1,
  key: { epoch: 3, publicKey: KEY },
  ...change,
})
const certificateOf = (training: TrainingStatus) =>
  reconcile(observe({ ...jobWith(), status: { training } })).status?.coordinatorCertificate

test("the key of the job's own coordinator is certified, for its epoch and uid", () => {
  const certificate = certificateOf(report())!
  const { signature: _, ...certified } = certificate
  assert.deepEqual(certified, { uid: 'u1', namespace: 'team', name: 'brain', epoch: 3, key: KEY })
  assert.equal(certificateFault(certificate, { uid: 'u1', trust: TRUST }), undefined)
  assert.deepEqual(certificateOf(report()), certificate, 'the same report gives the same bytes')
})

test('a worker uses grants for the bucket of the job alone, where the job names its endpoint', () => {
  const storeOf = (s3: object): string => storeUrl(completeSpec({ ...jobWith().spec, storage: { s3 } }))
  const s3 = { endpoint: 'https://s3.example.org:9000', bucket: 'models' }
  assert.equal(storeOf(s3), 'https://s3.example.org:9000/models/')
  assert.equal(storeOf({ ...s3, forcePathStyle: false }), 'https://models.s3.example.org:9000/')
  assert.equal(storeOf({ bucket: 'models' }), 'https:')
})

test('a key of another job, of an older coordinator, or no key is not', () => {
  assert.equal(certificateOf(report({ uid: 'u0' })), undefined)
  assert.equal(certificateOf(report({ epoch: 4 })), undefined)
  const { key: _, ...older } = report()
  assert.equal(certificateOf(older), undefined)
})

test("a worker's network half gets the public key, and a file for its own; the trainer gets neither", () => {
  const { spec } = templateOf(reconcile(observe(jobWith())), 'Job/brain-worker-a')
  const named = (
    containers: { name: string; env?: { name: string; value: string }[] }[],
    container: string,
  ) =>
    Object.fromEntries(
      (containers.find(({ name }) => name === container)?.env ?? []).map(({ name, value }) => [name, value]),
    )
  const network = named(spec.initContainers, 'network')
  assert.equal(network.FEDSAM_TRUST, TRUST.join(','))
  assert.equal(network.FEDSAM_KEY_FILE, '/tmp/client-key')
  assert.equal(network.FEDSAM_STORES, 'https:')
  const trainer = named(spec.containers, 'trainer')
  assert.equal('FEDSAM_KEY_FILE' in trainer || 'FEDSAM_TRUST' in trainer, false)
  const tmpOf = (container: { volumeMounts: { name: string; mountPath: string }[] }) =>
    container.volumeMounts.find(({ mountPath }) => mountPath === '/tmp')?.name
  assert.notEqual(tmpOf(spec.initContainers[0]), tmpOf(spec.containers[0]))
})
