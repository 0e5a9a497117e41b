// What becomes of an output folder that holds a run already: a table of facts and decisions.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { decideOutput, type RecordFacts, type WantedRun } from './output-state.ts'

const SPEC = { seed: 0, strategy: { type: 'FedAvg' } }
const WANTED: WantedRun = {
  output: '/o',
  kind: 'OneProcess',
  name: 'toy',
  fixedSpec: SPEC,
  spec: { ...SPEC, rounds: 3 },
  rounds: 3,
}
const RECORD: RecordFacts = {
  kind: 'OneProcess',
  name: 'toy',
  spec: SPEC,
  lastSpec: { ...SPEC, rounds: 3 },
  rounds: 3,
  complete: true,
  stopped: null,
  next: 'Evaluate',
}
const rounds = (count: number): Partial<WantedRun> => ({ rounds: count, spec: { ...SPEC, rounds: count } })

test('another value of a variable is found, although the record holds no value', () => {
  const specOf = (value: string) => ({ ...SPEC, trainer: { command: { env: [{ name: 'SITE', value }] } } })
  const before = { ...RECORD, complete: false, lastSpec: specOf('a') }
  assert.equal(decideOutput({ ...WANTED, spec: specOf('a') }, before).kind, 'Resume')
  assert.throws(() => decideOutput({ ...WANTED, spec: specOf('b') }, before), {
    code: 'OutputInUse',
    message: /spec\.trainer\.command\.env.*"b" and was "a"/,
  })
})

describe('an output', () => {
  const decided: readonly [what: string, Partial<WantedRun>, Partial<RecordFacts> | null, object][] = [
    ['without a run begins', {}, null, { kind: 'Begin' }],
    ['of the same job is complete', {}, {}, { kind: 'Complete' }],
    ['whose spec was not kept is complete', {}, { lastSpec: null }, { kind: 'Complete' }],
    ['with more rounds continues', rounds(5), {}, { kind: 'Continue', from: 3, aside: 4 }],
    [
      'that nobody evaluates continues',
      rounds(5),
      { next: null },
      { kind: 'Continue', from: 3, aside: null },
    ],
    [
      'that is not complete resumes',
      {},
      { complete: false, rounds: 1, next: 'Train' },
      { kind: 'Resume', aside: null },
    ],
    ['before its last evaluation resumes', {}, { complete: false }, { kind: 'Resume', aside: null }],
    [
      'that began its last evaluation and gets more rounds trains instead',
      rounds(4),
      { complete: false },
      { kind: 'Resume', aside: 4 },
    ],
    [
      'in a round that is not wanted any more evaluates instead',
      rounds(1),
      { complete: false, rounds: 2, next: 'Train' },
      { kind: 'Resume', aside: 3 },
    ],
    ['that stopped early is complete', {}, { rounds: 2, stopped: 'dice reached 0.9' }, { kind: 'Complete' }],
    [
      'whose live fields changed on the way resumes',
      { spec: { ...SPEC, rounds: 3, round: {} } },
      { complete: false, rounds: 1, next: null },
      { kind: 'Resume', aside: null },
    ],
  ]
  for (const [what, wanted, record, state] of decided) {
    test(what, () => {
      assert.deepEqual(decideOutput({ ...WANTED, ...wanted }, record && { ...RECORD, ...record }), state)
    })
  }

  const refused: readonly [what: string, Partial<WantedRun>, Partial<RecordFacts>, RegExp, RegExp][] = [
    ['of several processes', {}, { kind: 'Processes' }, /run in several processes/, /add --processes/],
    ['of one process', { kind: 'Processes' }, {}, /run in one process/, /remove --processes/],
    [
      'of another job',
      { name: 'other', fixedSpec: { seed: 7, strategy: { type: 'FedAvg', eta: 1 } } },
      {},
      /metadata.name is "other" and was "toy", spec.seed is 7 and was 0, spec.strategy.eta is 1 and was not set$/,
      /--output/,
    ],
    [
      'with fewer rounds',
      rounds(2),
      {},
      /its number of rounds can only grow: spec.rounds is 2 and was 3/,
      /as many rounds/,
    ],
    [
      'that stopped early, with more rounds',
      rounds(9),
      { rounds: 2, stopped: 'dice reached 0.9' },
      /training ended after round 2 \(dice reached 0\.9\), so a larger spec\.rounds has no effect/,
      /start over/,
    ],
    [
      'whose other fields changed',
      { spec: { ...SPEC, rounds: 3, round: { deadlineSeconds: 5 } } },
      { lastSpec: { ...SPEC, rounds: 3, round: { deadlineSeconds: 6 } } },
      /nothing was run, but the job changed: spec.round.deadlineSeconds is 5 and was 6$/,
      /earlier values/,
    ],
    [
      'with many differences',
      { fixedSpec: { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 } },
      { spec: {} },
      /spec\.e is 1 and was not set, 2 more fields differ$/,
      /./,
    ],
  ]
  for (const [what, wanted, record, message, remedy] of refused) {
    test(`${what} is rejected`, () => {
      assert.throws(
        () => decideOutput({ ...WANTED, ...wanted }, { ...RECORD, ...record }),
        (error) => {
          assert.ok(error instanceof FedsamError && error.code === 'OutputInUse')
          assert.match(error.message, message)
          assert.match(error.remedy, remedy)
          return true
        },
      )
    })
  }
})
