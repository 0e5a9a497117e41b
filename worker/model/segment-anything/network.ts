// The inputs of every layer of the network: TensorFlow.js, the configuration, and the weights by their names. Also two matrix
// products whose fastest form depends on the backend. weights.ts provides the weights.
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'
import type { SamConfig } from './config.ts'

/** The inputs of the network's layers. */
export interface Network {
  readonly tf: TensorFlow
  readonly config: SamConfig
  /** The tensor of this checkpoint name, in the checkpoint's own layout. It belongs to the network: do not dispose it. */
  weight(name: string): Tensor
  /** The same values as plain numbers. */
  values(name: string): Float32Array
  /** Whether gradients with respect to this tensor are wanted. */
  trains(name: string): boolean
}

/**
 * a · b of two matrices, or of two equally long stacks of them, either side transposed first.
 * The wasm backend has a fast product (SIMD, tiled) only for matrices that are not transposed; its product of
 * transposed matrices is ten times slower than transposing them first.
 */
export function multiply<T extends Tensor>(
  tf: TensorFlow,
  a: T,
  b: T,
  transpose: { a?: boolean; b?: boolean } = {},
): T {
  const { a: transposeA = false, b: transposeB = false } = transpose
  if (tf.getBackend() !== 'wasm') return tf.matMul(a, b, transposeA, transposeB)
  const swap = a.rank === 2 ? [1, 0] : [0, 2, 1]
  return tf.matMul(transposeA ? tf.transpose(a, swap) : a, transposeB ? tf.transpose(b, swap) : b)
}

/** Sum over the rows of [N, C] → [C]. A product with ones is the wasm backend's fast way to it. */
export function sumRows(tf: TensorFlow, x: Tensor2D): Tensor1D {
  if (tf.getBackend() !== 'wasm') return tf.sum(x, 0)
  return tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x), [x.shape[1]])
}
