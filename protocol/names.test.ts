// Names fit wherever the CRD accepts what they are made of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEDERATED_JOB_SCHEMA } from './generated/schema.ts'
import { coordinatorName, runPrefix, workerName } from './names.ts'

test('names are readable', () => {
  assert.equal(coordinatorName('brain-tissue'), 'brain-tissue-coordinator')
  assert.equal(workerName('brain-tissue', 'axial'), 'brain-tissue-worker-axial')
})

test('the longest names that the CRD accepts fit a label, and one letter more does not', () => {
  const longest = FEDERATED_JOB_SCHEMA.properties?.metadata?.properties?.name?.maxLength ?? 0
  assert.equal(coordinatorName('j'.repeat(longest)).length, 63)
  // The rule at the CRD's root: both together have at most 55 characters.
  assert.equal(workerName('j'.repeat(30), 'p'.repeat(25)).length, 63)
  assert.throws(() => workerName('j'.repeat(30), 'p'.repeat(26)), RangeError)
})

test('a run has a prefix of its own, with or without one of the bucket', () => {
  const job = { namespace: 'team-a', name: 'brain-tissue', uid: '6f3a' }
  assert.equal(runPrefix('', job), 'team-a/brain-tissue/6f3a')
  assert.equal(runPrefix('shared/runs', job), 'shared/runs/team-a/brain-tissue/6f3a')
})
