// The rule of each tensor, from its dtype and name, once for the whole run.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DType, TensorRule, TensorSpec } from '#protocol/tensors.ts'
import { strategyFrom } from '../strategies/registry.ts'
import { adviceOn, tensorList } from './tensor-rules.ts'

test('floats are optimised, statistics averaged, counters take the largest value, and other tensors keep theirs', () => {
  const cases: readonly [name: string, dtype: DType, rule: TensorRule][] = [
    ['w', 'F64', 'Optimise'],
    ['w', 'F32', 'Optimise'],
    ['w', 'F16', 'Optimise'],
    ['w', 'BF16', 'Optimise'],
    ['bn.running_mean', 'F32', 'Average'],
    ['running_var', 'F64', 'Average'],
    ['bn/moving_mean:0', 'F32', 'Average'],
    ['moving_variance', 'F32', 'Average'],
    ['batch_stats/BatchNorm_0/mean', 'F32', 'Average'],
    ['batch_stats.var', 'F32', 'Average'],
    ['params/mean', 'F32', 'Optimise'],
    ['bn.running_vary', 'F32', 'Optimise'],
    ['not_running_var', 'F32', 'Optimise'],
    ['bn.running_var', 'I64', 'Largest'],
    ['bn.num_batches_tracked', 'I64', 'Largest'],
    ['n', 'I32', 'Largest'],
    ['n', 'I16', 'Keep'],
    ['n', 'I8', 'Keep'],
    ['n', 'U8', 'Keep'],
    ['n', 'BOOL', 'Keep'],
  ]
  for (const [name, dtype, rule] of cases) {
    assert.deepEqual(tensorList([{ name, shape: [2], dtype }]), [{ name, shape: [2], dtype, rule }])
  }
})

const F32 = (...shape: number[]): Pick<TensorSpec, 'dtype' | 'shape'> => ({ dtype: 'F32', shape })
const I64 = (...shape: number[]): Pick<TensorSpec, 'dtype' | 'shape'> => ({ dtype: 'I64', shape })
/** As fedsam_client names arrays without names. */
const numbered = (...tensors: Pick<TensorSpec, 'dtype' | 'shape'>[]): TensorSpec[] =>
  tensors.map((tensor, i) => ({ name: String(i).padStart(4, '0'), ...tensor }))
const NORM = [F32(8), F32(8), F32(8), F32(8), I64()]

describe('tensors without names', () => {
  test('are statistics where two vectors of one length precede a counter', () => {
    const averaged = (tensors: readonly TensorSpec[]) =>
      tensorList(tensors).flatMap(({ name, rule }) => (rule === 'Average' ? [name] : []))
    assert.deepEqual(averaged(numbered(F32(8, 3), ...NORM, F32(4), ...NORM)), [
      '0003',
      '0004',
      '0009',
      '0010',
    ])
    assert.deepEqual(averaged(numbered(F32(8), F32(8), I64())), ['0000', '0001'])
    for (const tensors of [
      numbered(F32(8), F32(8), F32(8)),
      numbered(F32(8), F32(4), I64()),
      numbered(F32(8, 1), F32(8, 1), I64()),
      numbered(F32(8), F32(8), I64(2)),
      numbered(I64(8), I64(8), I64()),
      numbered(F32(8), I64()),
      numbered(I64()),
      [...numbered(F32(8), F32(8), I64()), { name: 'w', ...F32(2) }],
    ])
      assert.deepEqual(averaged(tensors), [])
  })

  test('are reported before the first step where the server optimizer steps', () => {
    const advice = (type: string, tensors: readonly TensorSpec[], parameters: object = {}) =>
      adviceOn(tensorList(tensors), strategyFrom({ type, ...parameters }))
    const filtered = numbered(F32(8, 3), F32(8), F32(8), F32(8), F32(8))
    for (const type of ['FedAdam', 'FedYogi', 'FedAdagrad']) {
      assert.match(
        advice(type, filtered)!,
        new RegExp(`${type} steps on .*parameter_names\\(\\).*state_dict`),
      )
      assert.match(
        advice(type, numbered(...NORM))!,
        /^tensors 0002, 0003 look like running_mean and running_var/,
      )
    }
    for (const parameters of [{ fedAvgM: { serverMomentum: 0.9 } }, { fedAvgM: { serverLearningRate: 1.5 } }])
      assert.match(advice('FedAvgM', filtered, parameters)!, /FedAvgM steps/)
    assert.equal(advice('FedAvgM', filtered), undefined, 'without momentum it is FedAvg')
    for (const type of ['FedAvg', 'FedMedian', 'Krum']) assert.equal(advice(type, filtered), undefined)
    assert.equal(advice('FedAdam', numbered(F32(8, 3), F32(8), F32(3, 2), F32(2))), undefined)
    assert.equal(
      advice(
        'FedAdam',
        filtered.map((one) => ({ ...one, name: `w${one.name}` })),
      ),
      undefined,
    )
  })
})
