// Which faults the coordinator waits for, which fail the run, and which end the process: one row for each case.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import { judgeFault } from './faults.ts'

const answer = (name: string, httpStatusCode: number): Error =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode } })

const rows: readonly [ErrorCode, Error | undefined, string][] = [
  ['MessagingUnreachable', undefined, 'Wait MessagingUnreachable'],
  ['StorageUnreachable', undefined, 'Wait StorageUnreachable'],
  ['StorageUnreachable', answer('NoSuchBucket', 404), 'Wait StorageMissing'],
  ['StorageUnreachable', answer('AccessDenied', 403), 'Wait StorageUnreachable bound'],
  ['StorageUnreachable', answer('SignatureDoesNotMatch', 403), 'Wait StorageUnreachable bound'],
  ['CheckpointUnavailable', undefined, 'Wait CheckpointUnavailable'],
  ['CheckpointUnavailable', answer('NoSuchBucket', 404), 'Wait CheckpointUnavailable'],
  ['BadCheckpoint', undefined, 'Fail BadCheckpoint'],
  ['StorageUnsuitable', undefined, 'Fail StorageUnsuitable'],
  ['RecordDamaged', undefined, 'Fail RecordDamaged'],
  ['OutputInUse', undefined, 'Fail BadConfiguration'],
  ['InvalidJob', undefined, 'Fail BadConfiguration'],
  ['Superseded', undefined, 'End'],
  ['Interrupted', undefined, 'End'],
]
for (const [code, cause, expected] of rows) {
  test(`${code}${cause === undefined ? '' : ` (${cause.message})`}: ${expected}`, () => {
    const fault = judgeFault(new FedsamError(code, 'what happened', { cause, remedy: 'do this' }))
    const bound = fault.kind === 'Wait' && fault.bound ? ' bound' : ''
    assert.equal(`${fault.kind}${fault.kind === 'End' ? '' : ` ${fault.reason}`}${bound}`, expected)
    if (fault.kind !== 'End') assert.equal(fault.message, 'what happened; do this')
  })
}

test('a run that failed fails for its own reason', () => {
  for (const reason of ['TooManyFailedRounds', 'MetricNotReported', 'ParametersOverflow'] as const) {
    const error = new FedsamError('RunFailed', 'what happened', { remedy: 'do this', reason })
    assert.deepEqual(judgeFault(error), { kind: 'Fail', reason, message: 'what happened; do this' })
  }
})

test('an unexpected error ends the process: another process may succeed', () => {
  assert.deepEqual(judgeFault(new TypeError('undefined is not a function')), { kind: 'End' })
})
