// Partitions whose client is a site: nothing of a pod is made for them, whatever was there before, and no two have one key.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  after,
  applied,
  jobWith,
  NOW,
  observe,
  running,
  SPEC,
  truths,
  writesOf,
} from '#test/given/observed.ts'
import { reconcile } from './reconcile.ts'

const KEY = 'a'.repeat(64)
const site = (name: string, publicKey = KEY) => ({ name, external: { publicKey } })

test('nothing is created for an external partition, nor for one that was stored without a key', () => {
  for (const second of [site('b'), { name: 'b', external: {} as never }]) {
    const desired = reconcile(observe(jobWith({ partitions: [{ name: 'a' }, second] })))
    assert.ok(!JSON.stringify(desired.writes).includes('worker-b'), JSON.stringify(second))
    assert.ok(writesOf(desired).includes('Create Job/brain-worker-a'))
  }
})

test('a job of sites alone has a coordinator, and nothing of workers', () => {
  const desired = reconcile(observe(jobWith({ partitions: [site('a'), site('b', 'b'.repeat(64))] })))
  assert.deepEqual(writesOf(desired), [
    'Create ServiceAccount/brain-coordinator',
    'Create Role/brain-coordinator',
    'Create RoleBinding/brain-coordinator',
    'Create NetworkPolicy/brain-coordinator',
    'Create Job/brain-coordinator',
  ])
})

test('a partition that becomes external loses its objects, and one that stops being so gets them', () => {
  const spec = (partitions: typeof SPEC.partitions) => ({ ...running.job, spec: { ...SPEC, partitions } })
  const outside = reconcile({ ...running, job: spec([{ name: 'a' }, site('b')]) })
  assert.deepEqual(writesOf(outside), ['Delete ServiceAccount/brain-worker-b', 'Delete Job/brain-worker-b'])
  const children = applied(running.children, outside.writes)
  const back = reconcile({ ...running, children, job: spec([{ name: 'a' }, { name: 'b' }]) })
  assert.deepEqual(writesOf(back), ['Create ServiceAccount/brain-worker-b', 'Create Job/brain-worker-b'])
})

test('one key for two partitions: the job gets no pod, stops its own, and the condition names both', () => {
  const partitions = [site('b'), { name: 'a' }, site('c')]
  const fresh = reconcile(observe(jobWith({ partitions })))
  assert.deepEqual(fresh.writes, [])
  assert.equal(truths(fresh).Reconciling, 'True KeyShared')
  assert.match(
    fresh.status?.summary?.message ?? '',
    /spec\.partitions\[b\], spec\.partitions\[c\] have the same external\.publicKey.*; give each site its own key/,
  )
  const changed = reconcile({ ...running, job: { ...running.job, spec: { ...SPEC, partitions } } })
  const suspended = changed.writes.filter(({ object }) => object.spec?.suspend === true)
  assert.deepEqual(
    suspended.map(({ kind, object }) => `${kind} ${object.metadata.name}`),
    ['Apply brain-coordinator', 'Apply brain-worker-a'],
  )
})

test('a job whose site never connects fails at its start deadline, and the condition names the site', () => {
  const job = jobWith({ partitions: [{ name: 'a' }, site('b')], startDeadlineSeconds: 600 })
  const waiting = after(observe(job))
  const failed = reconcile({ ...waiting, now: NOW + 600_000 })
  assert.equal(truths(failed).Failed, 'True StartDeadlineExceeded')
  assert.match(
    failed.status?.summary?.message ?? '',
    /Sites that were not connected: b\. Have their agents started, and create the job again\./,
  )
})
