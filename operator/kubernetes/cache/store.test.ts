// The objects of a store after lists and changes, the jobs that they concern, and the warnings about them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RawObject } from '#transport/kubernetes/reflector.ts'
import { openStore } from './store.ts'
import { trim } from './trim.ts'
import { openWarnings } from './warnings.ts'

const raw = (name: string, version: string, metadata: object = {}): RawObject => ({
  metadata: { name, namespace: 'team', uid: `uid-${name}`, resourceVersion: version, ...metadata },
})
const of = (job: string) => ({ labels: { 'fedsam.dev/job': job } })

function open(kind = 'Job') {
  const changed: string[] = []
  const store = openStore(kind, {
    changed: (job, listed) => changed.push(`${job}${listed ? ' listed' : ''}`),
  })
  return { store, changes: () => changed.splice(0) }
}

test('a list replaces the objects; a second list reports only differences', () => {
  const { store, changes } = open()
  store.listing()
  store.page([raw('a', '1', of('x')), raw('b', '2', of('x'))])
  assert.equal(store.isSynced(), false)
  store.listed('5')
  assert.deepEqual([store.isSynced(), store.hasReached('5'), store.hasReached('6')], [true, true, false])
  assert.deepEqual(changes(), ['team/x listed', 'team/x listed'])
  store.listing()
  store.page([raw('never', '7', of('z'))])
  store.listing() // the first attempt did not end
  store.page([raw('b', '2', of('x')), raw('c', '8', of('y'))])
  store.listed('9')
  assert.deepEqual([...store.all()].map(({ metadata }) => metadata.name).sort(), ['b', 'c'])
  assert.deepEqual(changes(), ['team/z listed', 'team/y listed', 'team/x', 'team/z'])
})

test('objects are found by label and by owner; an object with a new owner is found only with its new job', () => {
  const { store, changes } = open()
  const owner = {
    ownerReferences: [{ apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', name: 'x', uid: '1' }],
  }
  store.changed(raw('a', '1', owner))
  store.changed(raw('b', '2', of('x')))
  assert.equal(store.ofJob('team/x').length, 2)
  changes()
  store.changed(raw('b', '3', of('y')))
  assert.deepEqual(changes().sort(), ['team/x', 'team/y'])
  assert.deepEqual(
    ['team/x', 'team/y'].map((job) => store.ofJob(job).map(({ metadata }) => metadata.name)),
    [['a'], ['b']],
  )
  store.deleted(raw('b', '4', of('y')))
  assert.deepEqual([store.ofJob('team/y'), changes()], [[], ['team/y']])
})

test('a stored object is frozen, and holds only the fields that are read', () => {
  const job = trim('Job', 'batch/v1', {
    metadata: {
      name: 'a',
      namespace: 'team',
      managedFields: [{}],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    },
    spec: { suspend: true, template: { spec: {} } },
    status: { conditions: [] },
  })
  assert.deepEqual(job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'a', namespace: 'team' },
    spec: { suspend: true },
    status: { conditions: [] },
  })
  assert.ok(Object.isFrozen(job) && Object.isFrozen(job.metadata) && Object.isFrozen(job.status))
  const pod = trim('Pod', 'v1', {
    metadata: { name: 'p', namespace: 'team', annotations: { a: 'b' } },
    spec: { containers: [{}], nodeName: 'n' },
    status: { phase: 'Running', podIP: '10.0.0.1' },
  })
  assert.deepEqual([pod.spec, pod.status, pod.metadata.name], [{ nodeName: 'n' }, { phase: 'Running' }, 'p'])
})

test('warnings may arrive before their pod, are bounded, and are dropped with it', () => {
  const changed: string[] = []
  const events = openWarnings(({ metadata }) => changed.push(metadata.name))
  const warn = (name: string, note: string): void =>
    events.changed({ ...raw('e', '1'), regarding: { uid: `uid-${name}`, name }, reason: 'FailedMount', note })
  const pod = trim('Pod', 'v1', raw('p', '1'))
  warn('p', 'early')
  events.adopt(pod)
  for (const note of ['1', '2', '3', '4', '5', '5']) warn('p', note)
  assert.deepEqual(
    events.of(pod).map(({ message }) => message),
    ['1', '2', '3', '4', '5'],
  )
  assert.equal(changed.length, 5) // a repetition with the same time is no change
  for (let i = 0; i < 600; i++) warn(`other-${i}`, 'x')
  assert.deepEqual(events.of(trim('Pod', 'v1', raw('other-0', '1'))), [])
  events.forget(pod)
  assert.deepEqual(events.of(pod), [])
})

test('a warning ends when it is cured, not when its event expires; a repetition after that is a change', () => {
  const changed: string[] = []
  const warnings = openWarnings(({ metadata }) => changed.push(metadata.name))
  const event = (second: number): RawObject => ({
    ...raw('e', '1'),
    regarding: { uid: 'uid-j' },
    reason: 'FailedCreate',
    note: 'no quota',
    deprecatedLastTimestamp: `2026-11-24T08:00:0${second}Z`,
  })
  const job = trim('Job', 'batch/v1', raw('j', '1'))
  const times = (): number[] => warnings.of(job).map(({ at }) => new Date(at).getUTCSeconds())
  warnings.adopt(job)
  warnings.changed(event(1))
  warnings.deleted(event(1))
  assert.deepEqual(times(), [1])
  warnings.cured('uid-j', Date.parse('2026-11-24T08:00:00Z'))
  assert.deepEqual(times(), [1], 'a pod that is older than the warning does not end it')
  warnings.cured('uid-j', Date.parse('2026-11-24T08:00:01Z'))
  assert.deepEqual(times(), [])
  warnings.changed(event(3))
  warnings.changed(event(3))
  assert.deepEqual([times(), changed], [[3], ['j', 'j']])
  // A later repetition is a change: the Job may have been resumed, and the problem be back.
  warnings.changed(event(4))
  assert.deepEqual([times(), changed.length], [[4], 3])
})
