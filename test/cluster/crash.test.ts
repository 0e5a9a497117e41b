// The operator dies at any write, before the API server gets it or after it was answered: the passes of the next one end in the
// state that an undisturbed one reaches. Three workloads: a fresh job, an edit, and a job that ends and is deleted in time.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  type Bench,
  createJob,
  endState,
  NOW,
  openBench,
  patch,
  read,
  recorded,
  SPEC,
  settle,
  train,
} from './passes.ts'

let bench: Bench
before(async () => {
  bench = await openBench()
})
after(() => bench?.stop())

interface Workload {
  /** Leaves a namespace as the operator finds it. */
  prepare(namespace: string): Promise<void>
  /** Moments at which it looks, each until nothing is left to be done. */
  readonly moments: readonly number[]
  /** Writes that it takes at least: a workload that does nothing proves nothing. */
  readonly least: number
}

const WORKLOADS: Readonly<Record<string, Workload>> = {
  fresh: {
    prepare: async (namespace) => void (await createJob(bench, namespace)),
    moments: [NOW],
    least: 14,
  },
  edit: {
    async prepare(namespace) {
      await createJob(bench, namespace)
      await settle(bench, namespace)
      const changed = { ...SPEC.partitions[1], dataset: { root: '/other' } }
      await patch(bench, namespace, { spec: { suspend: true, partitions: [changed, { name: 'c' }] } })
    },
    moments: [NOW],
    least: 11,
  },
  end: {
    async prepare(namespace) {
      const { metadata } = await createJob(bench, namespace, { ...SPEC, ttlSecondsAfterFinished: 60 })
      await settle(bench, namespace)
      await train(bench, namespace, { uid: metadata.uid, epoch: 1, round: 10, attempt: 1, state: 'Complete' })
    },
    moments: [NOW, NOW + 60_000],
    least: 6,
  },
}

async function run(workload: Workload, on: Bench, namespace: string): Promise<void> {
  for (const moment of workload.moments) await settle(on, namespace, moment)
}

for (const [name, workload] of Object.entries(WORKLOADS)) {
  test(`${name}: killed at every write, before and after its answer, it ends as if nothing had been`, async () => {
    await workload.prepare(`${name}-reference`)
    const reference = recorded(bench)
    await run(workload, reference, `${name}-reference`)
    assert.ok(reference.writes.length >= workload.least, reference.writes.join('\n'))
    const expected = await endState(bench, `${name}-reference`)
    for (const answered of [false, true]) {
      for (let at = 1; at <= reference.writes.length; at++) {
        const namespace = `${name}-${answered ? 'after' : 'before'}-${at}`
        await workload.prepare(namespace)
        await assert.rejects(run(workload, recorded(bench, { at, answered }), namespace), /killed/)
        await run(workload, bench, namespace)
        assert.deepEqual(
          await endState(bench, namespace),
          expected,
          `${namespace}: ${reference.writes[at - 1]}`,
        )
      }
    }
  })
}

test('the end of a job leaves no worker, and in time not the job either', async () => {
  assert.equal(await read(bench, 'end-reference'), undefined)
  const left = (await endState(bench, 'end-reference')) as { children: string[] }
  assert.deepEqual(left.children, ['brain-coordinator'])
})
