// The settings that the worker's programs read from their environment, and the one error that names all faults.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sourceSettings, workerSettings } from './environment.ts'

const WORKER = {
  FEDSAM_CLIENT: 'a',
  FEDSAM_SUBJECTS: 'fedsam.default.u',
  FEDSAM_SCRATCH: '/seam/scratch',
  FEDSAM_NO_PROGRESS_SECONDS: '60',
  FEDSAM_NATS_URL: 'nats://bus:4222',
  FEDSAM_TRUST: 'a'.repeat(64),
  FEDSAM_STORES: 'https://s3:9000/models/',
}
const PROGRAM = { command: ['python3', 'client.py'], env: {}, cwd: '/work' }

describe('the network half', () => {
  test('runs its trainer as a child process', () => {
    const settings = workerSettings({ ...WORKER, FEDSAM_TRAINER: JSON.stringify(PROGRAM) })
    assert.deepEqual(settings.trainer, { kind: 'Child', program: PROGRAM })
    assert.deepEqual(
      [settings.noProgressSeconds, settings.answerSeconds, settings.nats.credentials],
      [60, 30, undefined],
    )
  })

  test('shows its token to the NATS server as its client of its run', () => {
    const env = { ...WORKER, FEDSAM_TOKEN_FILE: '/token', FEDSAM_TRAINER: JSON.stringify(PROGRAM) }
    assert.deepEqual(workerSettings(env).nats.credentials, { user: 'u/client/a', secretFile: '/token' })
  })

  test('finds its trainer in a pod, with or without a base checkpoint', () => {
    const pod = { ...WORKER, FEDSAM_SEAM: '/seam', FEDSAM_CACHE: '/cache' }
    const place = { kind: 'Pod', seam: '/seam', cache: '/cache' }
    assert.deepEqual(workerSettings(pod).trainer, { ...place, base: false })
    assert.deepEqual(workerSettings({ ...pod, FEDSAM_BASE: 'true' }).trainer, { ...place, base: true })
    const both = { ...pod, FEDSAM_TRAINER: JSON.stringify(PROGRAM) }
    assert.throws(() => workerSettings(both), { code: 'InvalidJob', message: /exclude each other/ })
  })

  test('names all missing and wrong variables in one error', () => {
    const env = { FEDSAM_SEAM: '/seam', FEDSAM_BASE: 'yes', FEDSAM_NO_PROGRESS_SECONDS: 'soon' }
    assert.throws(() => workerSettings(env), {
      code: 'InvalidJob',
      message:
        'the environment: FEDSAM_CLIENT is missing; FEDSAM_SUBJECTS is missing; FEDSAM_SCRATCH is missing; ' +
        'FEDSAM_NO_PROGRESS_SECONDS: soon is not a number of seconds; FEDSAM_TRUST is missing; FEDSAM_STORES is missing; FEDSAM_NATS_URL is missing; ' +
        'FEDSAM_CACHE is missing; FEDSAM_BASE: yes is neither true nor false',
    })
    const keys = { ...WORKER, FEDSAM_TRUST: `${'b'.repeat(64)}, ${'c'.repeat(64)}`, FEDSAM_TRAINER: '{}' }
    assert.deepEqual(workerSettings(keys).trust, ['b'.repeat(64), 'c'.repeat(64)])
    for (const store of ['https://s3:9000/models', 'file:///tmp/', 'http:', 'memory:'])
      assert.throws(() => workerSettings({ ...keys, FEDSAM_STORES: store }), /is not the URL of a bucket/)
    const wrong = { ...keys, FEDSAM_TRUST: 'nobody' }
    assert.throws(() => workerSettings(wrong), /FEDSAM_TRUST: nobody is not a public key/)
    assert.throws(() => workerSettings({ ...WORKER, FEDSAM_TRAINER: '{' }), /FEDSAM_TRAINER is not JSON/)
  })
})

describe('the data source', () => {
  const SOURCE = { FEDSAM_SOURCE_URI: 's3://scans/site-a/', FEDSAM_SOURCE_FOLDER: '/cache/data' }
  const STORAGE = {
    FEDSAM_SOURCE_ENDPOINT: 'https://storage',
    FEDSAM_SOURCE_REGION: 'r1',
    FEDSAM_SOURCE_FORCE_PATH_STYLE: 'false',
  }

  test("uses the job's endpoint and region, unless its own Secret names others", () => {
    const bucket = { bucket: 'scans', prefix: 'site-a/' }
    const storage = { endpoint: 'https://storage', region: 'r1', forcePathStyle: false }
    assert.deepEqual(sourceSettings({ ...SOURCE, ...STORAGE }).s3, { ...bucket, ...storage })
    const own = { AWS_ENDPOINT_URL_S3: 'https://own', AWS_REGION: 'r2' }
    assert.deepEqual(sourceSettings({ ...SOURCE, ...STORAGE, ...own }).s3, {
      ...bucket,
      endpoint: 'https://own',
      region: 'r2',
    })
    assert.deepEqual(sourceSettings(SOURCE).s3, bucket)
  })

  test('accepts a whole bucket, and refuses any other address', () => {
    const of = (uri: string) => sourceSettings({ ...SOURCE, FEDSAM_SOURCE_URI: uri }).s3
    assert.deepEqual(of('s3://scans'), { bucket: 'scans', prefix: '' })
    for (const uri of ['scans/site-a', 's3:///site-a', 'https://scans'])
      assert.throws(() => of(uri), { code: 'InvalidJob', message: /is not s3:\/\/bucket\/prefix/ })
  })
})
