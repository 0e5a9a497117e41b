// Where a coordinator finds its job and everything else. One error names every missing variable.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signingKeyOf } from '#protocol/signatures.ts'
import { outputUri, readOrigin, readPlaces } from './environment.ts'

const JOB = { FEDSAM_JOB_NAMESPACE: 'team-a', FEDSAM_JOB_NAME: 'brain', FEDSAM_JOB_UID: '6f3a' }

test('a job comes from a file, or from the cluster', () => {
  const file = { FEDSAM_JOB_FILE: 'job.json', FEDSAM_CERTIFIER_SEED: '01'.repeat(32) }
  const origin = readOrigin(file)
  assert.ok(origin.kind === 'File' && origin.file === 'job.json')
  assert.equal(origin.certifier.publicKey, signingKeyOf(new Uint8Array(32).fill(1)).publicKey)
  const short = { ...file, FEDSAM_CERTIFIER_SEED: 'secret' }
  assert.throws(() => readOrigin(short), { message: /FEDSAM_CERTIFIER_SEED is not 64 hexadecimal digits$/ })
  assert.deepEqual(readOrigin(JOB), {
    kind: 'Cluster',
    identity: { namespace: 'team-a', name: 'brain', uid: '6f3a' },
    metricsPort: 8080,
  })
})

const BRAIN = { name: 'brain', uid: 'u' }

test('one error names every missing or wrong variable', () => {
  const wrong = (read: () => unknown, message: RegExp) => assert.throws(read, { code: 'InvalidJob', message })
  wrong(() => readOrigin({}), /FEDSAM_JOB_FILE/)
  wrong(
    () => readOrigin({ FEDSAM_JOB_NAME: 'brain' }),
    /FEDSAM_JOB_NAMESPACE is missing; FEDSAM_JOB_UID is missing$/,
  )
  wrong(() => readOrigin({ ...JOB, FEDSAM_METRICS_PORT: 'metrics' }), /FEDSAM_METRICS_PORT: metrics/)
  wrong(
    () => readOrigin({ ...JOB, FEDSAM_METRICS_PORT: '65536' }),
    /FEDSAM_METRICS_PORT: 65536 is not a port/,
  )
  wrong(() => readPlaces({}, BRAIN), /FEDSAM_S3_BUCKET is missing; FEDSAM_NATS_URL is missing$/)
})

test('the bucket, its prefix and the style of its URLs; the address of the output', () => {
  const env = { FEDSAM_S3_BUCKET: 'runs', FEDSAM_S3_PREFIX: 'a/b', FEDSAM_NATS_URL: 'nats://bus:4222' }
  const { s3 } = readPlaces({ ...env, FEDSAM_S3_FORCE_PATH_STYLE: 'true', FEDSAM_S3_REGION: '' }, BRAIN)
  assert.deepEqual(s3, { bucket: 'runs', prefix: 'a/b', forcePathStyle: true })
  assert.deepEqual(readPlaces(env, BRAIN).s3, { bucket: 'runs', prefix: 'a/b' })
  assert.equal(outputUri(env), 's3://runs/a/b/output')
  assert.equal(outputUri({ FEDSAM_S3_BUCKET: 'runs' }), 's3://runs/output')
  const wrong = { ...env, FEDSAM_S3_FORCE_PATH_STYLE: 'yes' }
  assert.throws(() => readPlaces(wrong, BRAIN), { message: /FEDSAM_S3_FORCE_PATH_STYLE: yes is neither/ })
})

test('how it shows the NATS server who it is: by a credentials file, else by its token as the coordinator of the run', () => {
  const env = { FEDSAM_S3_BUCKET: 'runs', FEDSAM_NATS_URL: 'nats://bus:4222' }
  const credentials = (more: object) => readPlaces({ ...env, ...more }, BRAIN).nats.credentials
  assert.equal(credentials({}), undefined)
  const token = { FEDSAM_TOKEN_FILE: '/token' }
  assert.deepEqual(credentials(token), { user: 'u/coordinator', secretFile: '/token' })
  assert.deepEqual(credentials({ ...token, FEDSAM_NATS_CREDS: '/creds' }), { credsFile: '/creds' })
})
