// A coordinator that cannot run a program refuses a Program run by name, before it writes anything.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeFault } from '../reporting/faults.ts'
import { programRun } from './program-run.ts'

test('in a cluster, a Program is refused by name, and the job fails', () => {
  assert.throws(
    () => programRun({ restarts: 3 }, undefined),
    (error) => {
      const { kind, ...judged } = judgeFault(error)
      assert.equal(kind, 'Fail')
      assert.deepEqual(judged, {
        reason: 'BadConfiguration',
        message:
          'spec.strategy.type: Program is not available in a cluster in this version; run the job on one machine with fedsam run, or choose another strategy',
      })
      return true
    },
  )
})
