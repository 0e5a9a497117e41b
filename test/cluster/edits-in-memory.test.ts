// Edits from the schema, valid and invalid ones, with rollbacks, 300 sequences against an API server in memory: after all edits of
// a job, it ends equal to a fresh job of the same spec, and comes to rest. edits.test.ts shows that the real one takes the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoredJob } from '#operator/objects/shapes.ts'
import type { Observed } from '#operator/reconcile/contract.ts'
import { reconcile } from '#operator/reconcile/reconcile.ts'
import { jobWith, observe, after as passed } from '../given/observed.ts'
import { essenceOf } from './passes.ts'
import { FIRST, REACHED, SEQUENCES, stored, wishes } from './spec-edits.ts'

function rest(observed: Observed): Observed {
  let now = observed
  for (let passes = 0; passes < 4; passes++) {
    const { writes, status, announcements } = reconcile(now)
    if (writes.length + announcements.length === 0 && status === undefined) return now
    now = passed(now)
  }
  return assert.fail('it does not come to rest')
}

function ending({ job, children }: Observed): unknown {
  const conditions = job.status?.conditions?.map(({ type, status, reason, message }) => [
    type,
    status,
    reason,
    message,
  ])
  return { children: essenceOf(children, job), conditions, summary: job.status?.summary }
}

test('the edits reach every field of a spec', () => {
  for (const field of [
    'rounds',
    'round.quorum',
    'partitions.0.source.s3.uri',
    'strategy.type',
    'storage.s3.bucket',
  ])
    assert.ok(REACHED.includes(field), field)
  assert.ok(REACHED.length > 150, `${REACHED.length} fields`)
})

test('300 sequences of edits in memory: each ends equal to a fresh job of its spec', () => {
  let [taken, refused] = [0, 0]
  fc.assert(
    fc.property(SEQUENCES, (sequence) => {
      let observed = passed(observe({ ...jobWith(), spec: FIRST }))
      let step = 0
      for (const wish of wishes(sequence, () => observed.job.spec)) {
        const spec = stored(observed.job.spec, wish)
        if (spec) taken++
        else refused++
        const generation = (observed.job.metadata.generation ?? 1) + 1
        const job: StoredJob = spec
          ? { ...observed.job, spec, metadata: { ...observed.job.metadata, generation } }
          : observed.job
        observed = sequence.seen[step++] ? passed({ ...observed, job }) : { ...observed, job }
      }
      const fresh = observe({ ...jobWith(), spec: observed.job.spec })
      assert.deepEqual(ending(rest(observed)), ending(rest(fresh)))
    }),
    { numRuns: 300, seed: 20261124 },
  )
  assert.ok(taken > 300 && refused > 300, `${taken} taken, ${refused} refused`)
})
