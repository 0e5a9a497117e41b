// The reasons of a job: the documents explain each of them, and any other text is rejected.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import {
  COORDINATOR_FAILURES,
  COORDINATOR_WAITS,
  coordinatorFailure,
  coordinatorWait,
  OPERATOR_FAILURES,
  OPERATOR_WAITS,
} from './reasons.ts'

test('docs/programs.md explains every reason', async () => {
  const page = await readFile('docs/programs.md', 'utf8')
  const reasons = [...COORDINATOR_WAITS, ...OPERATOR_WAITS, ...COORDINATOR_FAILURES, ...OPERATOR_FAILURES]
  assert.deepEqual(
    reasons.filter((reason) => !page.includes(`\`${reason}\``)),
    [],
  )
})

test('of a coordinator its own reasons count, and no other text', () => {
  assert.equal(coordinatorWait('StorageMissing'), 'StorageMissing')
  assert.equal(coordinatorFailure('BadRecord'), 'BadRecord')
  for (const other of ['Starting', 'MessagingMissing', 'toString', '', undefined])
    assert.equal(coordinatorWait(other), undefined)
  for (const other of ['DeadlineExceeded', 'BadData', undefined])
    assert.equal(coordinatorFailure(other), undefined)
})
