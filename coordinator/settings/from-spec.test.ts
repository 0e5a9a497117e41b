import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import { compileFixed, compileLive } from './from-spec.ts'

const jobOf = (fields: object) => ({
  name: 'job',
  namespace: 'team',
  uid: 'u',
  generation: 1,
  spec: completeSpec({ partitions: [{ name: 'a' }, { name: 'b' }], ...fields }),
})
const FILES = { checkpoint: null, initialParameters: '', resumeFrom: '' }

test('run.json names the variables of the trainer, and holds none of their values', () => {
  const secret = { name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'one' } } }
  const env = [{ name: 'TOKEN', value: 'do-not-tell' }, secret]
  const { spec } = compileFixed(
    jobOf({ trainer: { type: 'Command', command: { command: ['train'], env } } }),
    FILES,
  )
  assert.ok(!JSON.stringify(spec).includes('do-not-tell'))
  const { command } = spec.trainer as { command: { command: string[]; env: object[] } }
  assert.deepEqual(command.command, ['train'])
  assert.deepEqual(command.env, [{ name: 'TOKEN' }, { ...secret }])
})

test('the bounds on one client: fixed for the norm, live for the examples', () => {
  const bare = jobOf({})
  assert.equal(compileFixed(bare, FILES).clipNorm, null)
  assert.equal(compileLive(bare).round.maxExamples, null)
  const bounded = jobOf({ strategy: { clipNorm: { norm: 10 } }, round: { maxExamples: 500 } })
  assert.deepEqual(compileFixed(bounded, FILES).clipNorm, { norm: 10, medianMultiple: null })
  assert.equal(compileLive(bounded).round.maxExamples, 500)
  assert.ok('clipNorm' in (compileFixed(bounded, FILES).spec.strategy as object), 'verify reads it there')
})

test('a site has the key that the job names; a shared or missing one is nobody’s key', () => {
  const site = (name: string, publicKey: string) => ({ name, external: { publicKey } })
  const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
  const partitions = [{ name: 'p' }, site('a', A), site('b', B), site('c', B), { name: 'd', external: {} }]
  assert.deepEqual(
    compileLive(jobOf({ partitions })).members.map((member) =>
      'publicKey' in member ? member.publicKey : null,
    ),
    [null, A, '', '', ''],
  )
})
