// Exit codes as the design and the command line's help promise them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cliExitCode, POD_EXITS, podExitCode } from './exit-codes.ts'

test('pods: 0 only when the run is over, 143 when asked to stop, one number per case', () => {
  assert.equal(podExitCode('RunFailed'), 0)
  assert.equal(podExitCode('Interrupted'), 143)
  assert.equal(podExitCode(undefined), POD_EXITS.Retriable.code)
  const codes = Object.values(POD_EXITS).map(({ code }) => code)
  assert.equal(new Set(codes).size, codes.length)
  // 1, 2 and 126 to 142 are what a shell, node or the container runtime says by itself.
  assert.ok(codes.every((code) => code === 0 || (code > 63 && code < 126) || code === 143))
})

test('pods: what trying again cannot cure fails the Job, and being replaced costs no retry', () => {
  assert.equal(POD_EXITS.BadData.action, 'FailJob')
  assert.equal(POD_EXITS.BadConfiguration.action, 'FailJob')
  assert.equal(POD_EXITS.Superseded.action, 'Ignore')
  assert.equal(POD_EXITS.AskedToStop.action, 'Ignore')
  assert.equal(POD_EXITS.Silence.action, 'Count')
  // Ignored, a refused worker would be replaced without end and without a word.
  assert.equal(POD_EXITS.Refused.action, 'Count')
  assert.equal(podExitCode('Refused'), 77)
  // The next Job has the images of the operator as it is then.
  assert.equal(POD_EXITS.OtherVersion.action, 'FailJob')
  assert.equal(podExitCode('OtherVersion'), 76)
})

test('command line: 2 for what the user corrects, 130 interrupted, 1 otherwise', () => {
  for (const code of ['InvalidJob', 'BadData', 'BadCheckpoint', 'OutputInUse'] as const)
    assert.equal(cliExitCode(code), 2)
  for (const code of ['RunFailed', 'TrainerFailed', 'StorageUnreachable', undefined] as const)
    assert.equal(cliExitCode(code), 1)
  assert.equal(cliExitCode('Interrupted'), 130)
})
