// Where a coordinator finds its job and everything else: all that is missing in one error.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOrigin, readPlaces } from './environment.ts'

const JOB = { FEDSAM_JOB_NAMESPACE: 'team-a', FEDSAM_JOB_NAME: 'brain', FEDSAM_JOB_UID: '6f3a' }

test('a job comes from a file, or from the cluster', () => {
  assert.deepEqual(readOrigin({ FEDSAM_JOB_FILE: 'job.json' }), { kind: 'File', file: 'job.json' })
  assert.deepEqual(readOrigin(JOB), {
    kind: 'Cluster',
    identity: { namespace: 'team-a', name: 'brain', uid: '6f3a' },
    metricsPort: 8080,
  })
})

test('all that is missing or wrong is named', () => {
  const wrong = (read: () => unknown, message: RegExp) => assert.throws(read, { code: 'InvalidJob', message })
  wrong(() => readOrigin({}), /FEDSAM_JOB_FILE/)
  wrong(() => readOrigin({ FEDSAM_JOB_NAME: 'brain' }), /missing: FEDSAM_JOB_NAMESPACE, FEDSAM_JOB_UID$/)
  wrong(() => readOrigin({ ...JOB, FEDSAM_METRICS_PORT: 'metrics' }), /FEDSAM_METRICS_PORT: metrics/)
  wrong(() => readPlaces({}, 'brain'), /FEDSAM_S3_BUCKET, FEDSAM_NATS_URL/)
})
