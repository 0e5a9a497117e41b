// Which rule a tensor gets from its type and name, once for the whole run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DType, TensorRule } from '#protocol/tensors.ts'
import { tensorList } from './tensor-files.ts'

test('floats are optimised, statistics averaged, counters keep the largest, the rest stays', () => {
  const cases: readonly [name: string, dtype: DType, rule: TensorRule][] = [
    ['w', 'F64', 'Optimise'],
    ['w', 'F32', 'Optimise'],
    ['w', 'F16', 'Optimise'],
    ['w', 'BF16', 'Optimise'],
    ['bn.running_mean', 'F32', 'Average'],
    ['running_var', 'F64', 'Average'],
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
