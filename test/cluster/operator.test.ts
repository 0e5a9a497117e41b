// The operator's passes against a real API server: what it renders is accepted, a second pass writes nothing, edits and faults
// lead where they should, and two writers share one status.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Bench, createJob, JOBS, named, openBench, pass, patch, read, recorded } from './passes.ts'

let bench: Bench
before(async () => {
  bench = await openBench()
})
after(() => bench?.stop())

test('all children are accepted, and a second pass writes nothing', async () => {
  await createJob(bench, 'fresh')
  const first = recorded(bench)
  await pass(first, 'fresh')
  assert.equal(first.writes.length, 14) // twelve children, the status, one event
  const generations = (await read(bench, 'fresh'))?.children.map(({ metadata }) => metadata.generation)
  const second = recorded(bench)
  await pass(second, 'fresh')
  assert.deepEqual(second.writes, [])
  assert.deepEqual(
    (await read(bench, 'fresh'))?.children.map(({ metadata }) => metadata.generation),
    generations,
  )
})

test("the pods' templates fit the restricted Pod Security standard", async () => {
  await createJob(bench, 'restricted')
  await pass(bench, 'restricted')
  const children = (await read(bench, 'restricted'))?.children ?? []
  for (const { kind, metadata, spec } of children.filter((child) => child.kind === 'Job')) {
    const template = spec?.template as { metadata: object; spec: object }
    const pod = {
      ...template,
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...template.metadata, name: metadata.name },
    }
    const path = '/api/v1/namespaces/restricted/pods?dryRun=All'
    await bench.client.call({ method: 'POST', path, body: pod }).catch((error: unknown) => {
      assert.fail(`${kind} ${metadata.name}: ${error}`)
    })
  }
})

test('suspend and resume: the Jobs follow, and keep their templates', async () => {
  await createJob(bench, 'paused')
  await pass(bench, 'paused')
  const template = named((await read(bench, 'paused'))?.children ?? [], 'brain-worker-a')?.spec?.template
  for (const suspend of [true, false]) {
    await patch(bench, 'paused', { spec: { suspend } })
    await pass(bench, 'paused')
    const job = named((await read(bench, 'paused'))?.children ?? [], 'brain-worker-a')
    assert.equal(job?.spec?.suspend, suspend)
    assert.deepEqual(job?.spec?.template, template)
  }
})

test('a removed partition is pruned, an added one created', async () => {
  await createJob(bench, 'edited')
  await pass(bench, 'edited')
  await patch(bench, 'edited', { spec: { partitions: [{ name: 'b' }, { name: 'c' }] } })
  await pass(bench, 'edited')
  const children = (await read(bench, 'edited'))?.children ?? []
  const there = (name: string): boolean => {
    const job = named(children, name)
    return job !== undefined && job.metadata.deletionTimestamp === undefined
  }
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => there(`brain-worker-${name}`)),
    [false, true, true],
  )
})

test("the coordinator's part of the status survives the operator's, and the operator's the coordinator's", async () => {
  const { metadata } = await createJob(bench, 'shared')
  await pass(bench, 'shared')
  const apply = async (training: object): Promise<void> => {
    const body = {
      apiVersion: 'fedsam.dev/v1alpha1',
      kind: 'FederatedJob',
      metadata: { name: 'brain' },
      status: { training },
    }
    const path = `${JOBS('shared')}/brain/status?fieldManager=fedsam-coordinator`
    await bench.client.call({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })
  }
  await apply({ uid: metadata.uid, epoch: 1, round: 3, attempt: 1, state: 'Training' })
  await pass(bench, 'shared')
  const status = (await read(bench, 'shared'))?.job.status
  assert.equal(status?.training?.round, 3)
  assert.equal(status?.summary?.round, '3/10')
  assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  assert.equal(
    status?.conditions?.find(({ type }) => type === 'Reconciling'),
    undefined,
  )
  assert.match(await bench.server.kubectl(['get', 'fj', '-n', 'shared']), /brain\s+Training\s+3\/10/)
  await assert.rejects(apply({ uid: metadata.uid, epoch: 0, round: 2, attempt: 1 }))
})

test("somebody else's Job of a worker's name stays, and is said", async () => {
  await createJob(bench, 'foreign')
  await bench.server.kubectl(['create', 'job', 'brain-worker-a', '-n', 'foreign', '--image=x'])
  await pass(bench, 'foreign')
  await pass(bench, 'foreign')
  const observed = await read(bench, 'foreign')
  assert.deepEqual(named(observed?.children ?? [], 'brain-worker-a')?.metadata.ownerReferences ?? [], [])
  const reconciling = observed?.job.status?.conditions?.find(({ type }) => type === 'Reconciling')
  assert.equal(reconciling?.reason, 'ChildConflict')
})

test('all of this went over few connections', () => {
  assert.ok(bench.client.connections() >= 1 && bench.client.connections() <= 16)
})
