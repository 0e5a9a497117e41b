// What the cache keeps of objects: the fields that a pass reads, without the large ones.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trim } from './trim.ts'

const metadata = {
  name: 'a',
  namespace: 'team',
  uid: 'u',
  labels: { 'fedsam.dev/job': 'brain' },
  managedFields: [{ manager: 'kubelet' }],
  annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'fedsam.dev/attempt': '2' },
}
const KEPT = {
  name: 'a',
  namespace: 'team',
  uid: 'u',
  labels: { 'fedsam.dev/job': 'brain' },
  annotations: { 'fedsam.dev/attempt': '2' },
}

test('of a pod: its node, and the statuses of its containers', () => {
  const pod = trim('Pod', 'v1', {
    metadata,
    spec: { nodeName: 'n1', containers: [{ name: 'trainer' }], volumes: [] },
    status: { phase: 'Running', podIP: '10.0.0.1', conditions: [], containerStatuses: [] },
  })
  assert.deepEqual(pod, {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: KEPT,
    spec: { nodeName: 'n1' },
    status: { phase: 'Running', conditions: [], containerStatuses: [] },
  })
})

test('of a Job: everything except its template; of other kinds the whole spec; all of it frozen', () => {
  const job = trim('Job', 'batch/v1', { metadata, spec: { suspend: true, template: { spec: {} } } })
  assert.deepEqual(job.spec, { suspend: true })
  const own = trim('FederatedJob', 'fedsam.dev/v1alpha1', { metadata, spec: { rounds: 3 } })
  assert.deepEqual(own.spec, { rounds: 3 })
  assert.throws(() => Object.assign(own.spec!, { rounds: 4 }), TypeError)
})
