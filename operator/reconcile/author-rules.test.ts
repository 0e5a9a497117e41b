// What no author of a job gets, by the operator's own check; test/cluster/author-policies.test.ts shows the same cases to an API server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { jobWith, observe, SETTINGS, templateOf, writesOf } from '#test/given/observed.ts'
import { ALLOWED, REFUSED } from '#test/given/template-cases.ts'
import { forbidden, refusedFields } from './author-rules.ts'
import { OUR_VOLUMES } from './pods/template-rules.ts'
import { reconcile } from './reconcile.ts'

const specOf = (spec: object) => completeSpec(jobWith(spec as Partial<FederatedJobSpec>).spec)

for (const { says, spec } of REFUSED) {
  test(`refused: ${says}`, () => {
    const fields = refusedFields(specOf(spec))
    assert.ok(fields[0]?.startsWith(says), fields[0])
    assert.equal(fields.length, 1)
  })
}

test('allowed: what leaves the pod restricted', () => {
  for (const spec of ALLOWED) assert.deepEqual(refusedFields(specOf(spec)), [])
})

test('Any refuses no template, Off refuses every one', () => {
  for (const { spec } of REFUSED) assert.deepEqual(refusedFields(specOf(spec), 'Any'), [])
  assert.deepEqual(refusedFields(specOf(ALLOWED[0]!), 'Off'), ['spec.workers.template is not allowed'])
  assert.deepEqual(refusedFields(specOf({}), 'Off'), [])
})

test('a job with a refused template gets no object, waits, and its status names the field', () => {
  const workers = { template: { spec: { hostNetwork: true, hostPID: true, hostIPC: true, nodeName: 'x' } } }
  const desired = reconcile(observe(jobWith({ workers })))
  assert.deepEqual(desired.writes, [])
  const reconciling = desired.status?.conditions.find(({ type }) => type === 'Reconciling')
  assert.equal(reconciling?.reason, 'TemplateRefused')
  const field = 'spec.workers.template.spec'
  assert.equal(
    reconciling?.message,
    `${field}.hostNetwork is not allowed; ${field}.hostPID is not allowed; ${field}.hostIPC is not allowed; and 1 more. ` +
      'Create the job without it, or change podTemplates of the chart.',
  )
})

test('a job that ran before its template was refused is stopped, and none of its objects is created again', () => {
  const workers = { template: { spec: { hostNetwork: true } } }
  const permissive = { ...SETTINGS, podTemplates: 'Any' as const }
  const job = jobWith({ workers })
  const before = reconcile(observe(job, { settings: permissive }))
  const children = before.writes.map(({ object }) => object)
  const { writes } = reconcile(observe(job, { children }))
  assert.deepEqual(
    writes.map(({ kind, object }) => [kind, object.kind, object.spec?.suspend]),
    Array(3).fill(['Apply', 'Job', true]),
  )
  const left = children.filter(({ metadata }) => metadata.name !== 'brain-worker-a')
  assert.deepEqual(
    writesOf(reconcile(observe(job, { children: left }))).filter((write) => !write.startsWith('Apply')),
    [],
  )
})

test('a strategy that is a program gets no pod: it would run beside the credentials of the coordinator', () => {
  const strategy = { type: 'Program', program: { command: ['python3', 'server.py'] } } as const
  const desired = reconcile(observe(jobWith({ strategy } as Partial<FederatedJobSpec>)))
  assert.deepEqual(desired.writes, [])
  const reconciling = desired.status?.conditions.find(({ type }) => type === 'Reconciling')
  assert.equal(reconciling?.reason, 'ProgramRefused')
  assert.match(reconciling?.message ?? '', /run the job on one machine with fedsam run/)
})

test("the operator's own namespace runs no job", () => {
  const settings = { ...SETTINGS, home: 'team' }
  const desired = reconcile(observe(jobWith(), { settings }))
  assert.deepEqual(desired.writes, [])
  const reconciling = desired.status?.conditions.find(({ type }) => type === 'Reconciling')
  assert.equal(reconciling?.reason, 'NamespaceRefused')
  assert.match(reconciling?.message ?? '', /create the job in another namespace/)
})

test("nobody gets the account that the operator makes for the coordinator, or a worker's for the coordinator", () => {
  const refusal = (spec: object) => forbidden(jobWith(), specOf(spec), SETTINGS)?.waitingFor
  const partitions = (serviceAccountName: string) => [{ name: 'a', serviceAccountName }, { name: 'b' }]
  assert.equal(refusal({ partitions: partitions('brain-coordinator') }), 'AccountRefused')
  assert.equal(refusal({ coordinator: { serviceAccountName: 'brain-worker-b' } }), 'AccountRefused')
  // One account with a cloud identity for all.
  const shared = { partitions: partitions('cloud'), coordinator: { serviceAccountName: 'cloud' } }
  assert.equal(refusal(shared), undefined)
  assert.equal(refusal({ partitions: partitions('other-coordinator') }), undefined)
})

test('under Restricted a container that a template adds can gain no privileges; Any leaves it as it is', () => {
  const added = { name: 'added', image: 'x', securityContext: { readOnlyRootFilesystem: true } }
  const job = jobWith({ workers: { template: { spec: { containers: [added] } } } })
  const containersOf = (settings: typeof SETTINGS) =>
    templateOf(reconcile(observe(job, { settings })), 'Job/brain-worker-a').spec.containers
  assert.deepEqual(containersOf(SETTINGS)[1].securityContext, {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
  })
  assert.deepEqual(containersOf({ ...SETTINGS, podTemplates: 'Any' })[1], added)
})

test('every volume that the operator renders is one that a template may not name', () => {
  const s3 = { caBundleConfigMapName: 'ca', credentialsSecretName: 's' }
  const job = jobWith({
    partitions: [
      { name: 'a', source: { s3: { uri: 's3://site-a/x', credentialsSecretName: 's' } } },
      { name: 'b', source: { persistentVolumeClaim: { claimName: 'scans' } } },
    ],
    storage: { s3 },
    messaging: { nats: { credentialsSecretName: 's', tlsSecretName: 's' } },
    trainer: { segmentAnything: { checkpoint: { uri: 's3://m/x', credentialsSecretName: 's' } } },
  })
  const desired = reconcile(observe(job))
  const names = ['brain-coordinator', 'brain-worker-a', 'brain-worker-b'].flatMap((name) =>
    templateOf(desired, `Job/${name}`).spec.volumes.map((volume: { name: string }) => volume.name),
  )
  assert.ok(names.length >= 15)
  assert.deepEqual(
    names.filter((name) => !OUR_VOLUMES.includes(name)),
    [],
  )
})
