// The layers of SAM, on matrices [rows, channels]. Gradients are written out where a backend of TensorFlow.js lacks them, or needs
// several times the operations. Guarantees that all backends can train: the layers use matrix products with equal batches, and no
// gather, einsum or convolution. Weights have PyTorch's layout ([out, in]).
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import { multiply, type Network, sumRows } from './network.ts'

type Saved = Tensor[]
type Save = (tensors: Saved) => void

/** x [N, in] · Wᵀ + b → [N, out], with `${path}.weight` [out, in] and, if `bias`, `${path}.bias` [out]. */
export function linear(net: Network, x: Tensor2D, path: string): Tensor2D {
  return affine(net, x, net.weight(`${path}.weight`) as Tensor2D, {
    bias: net.weight(`${path}.bias`) as Tensor1D,
    path,
  })
}

/**
 * x [N, in] · Wᵀ (+ b) → [N, out], W and b made of the weights under `path`. Where those do not train, only x gets a
 * gradient.
 */
export function affine(
  net: Network,
  x: Tensor2D,
  weight: Tensor2D,
  { bias, path }: { bias?: Tensor1D; path: string },
): Tensor2D {
  const { tf } = net
  const forward = (input: Tensor2D): Tensor => {
    const product = multiply(tf, input, weight, { b: true })
    return bias === undefined ? product : tf.add(product, bias)
  }
  if (!net.trains(`${path}.weight`) && !net.trains(`${path}.bias`)) {
    const frozen = tf.customGrad((...args: unknown[]) => {
      // Saved, not captured: a kernel made of a weight is gone when gradients are computed.
      ;(args.at(-1) as Save)([weight])
      return {
        value: forward(args[0] as Tensor2D),
        gradFunc: (dy: Tensor, [savedWeight]: Saved) => multiply(tf, dy, savedWeight!),
      }
    })
    return frozen(x) as Tensor2D
  }
  const trained = tf.customGrad((...args: unknown[]) => {
    const [input] = args as [Tensor2D]
    ;(args.at(-1) as Save)([input, weight])
    return {
      value: forward(input) as Tensor2D,
      gradFunc: (dy: Tensor2D, [savedInput, savedWeight]: Saved): Tensor[] => [
        multiply(tf, dy, savedWeight as Tensor2D), // [N, in]
        multiply(tf, dy, savedInput as Tensor2D, { a: true }), // [out, in]
        ...(bias === undefined ? [] : [sumRows(tf, dy)]), // [out]
      ],
    }
  })
  return (bias === undefined ? trained(x, weight) : trained(x, weight, bias)) as Tensor2D
}

/** Normalises each row of x [N, C], then scales and shifts it by `${path}.weight` and `.bias` [C]. */
export function layerNorm(net: Network, x: Tensor2D, path: string, epsilon: number): Tensor2D {
  const { tf } = net
  const normalise = tf.customGrad((...args: unknown[]) => {
    const [input, scale, shift] = args as [Tensor2D, Tensor1D, Tensor1D]
    const centred = tf.sub(input, tf.mean(input, 1, true)) // [N, C]
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon)) // [N, 1]
    const unit = tf.mul(centred, inverse) // [N, C]
    ;(args.at(-1) as Save)([unit, inverse, scale])
    return {
      value: tf.add(tf.mul(unit, scale), shift) as Tensor2D,
      gradFunc: (dy: Tensor2D, [savedUnit, savedInverse, savedScale]: Saved) => {
        const dyUnit = tf.mul(dy, savedUnit!) as Tensor2D
        const dUnit = tf.mul(dy, savedScale!)
        const alongUnit = tf.mul(savedUnit!, tf.mean(tf.mul(dUnit, savedUnit!), 1, true))
        const dInput = tf.mul(savedInverse!, tf.sub(tf.sub(dUnit, tf.mean(dUnit, 1, true)), alongUnit))
        return [dInput, sumRows(tf, dyUnit), sumRows(tf, dy)]
      },
    }
  })
  return normalise(x, net.weight(`${path}.weight`), net.weight(`${path}.bias`)) as Tensor2D
}

/** x · Φ(x), the exact form with erf, element by element. */
export function gelu({ tf }: Network, x: Tensor2D): Tensor2D {
  const activate = tf.customGrad((...args: unknown[]) => {
    const [input] = args as [Tensor2D]
    const doubled = tf.add(tf.erf(tf.mul(input, Math.SQRT1_2)), 1) // 2 Φ(x)
    ;(args.at(-1) as Save)([input, doubled])
    return {
      value: tf.mul(tf.mul(input, 0.5), doubled) as Tensor2D,
      gradFunc: (dy: Tensor2D, [savedInput, savedDoubled]: Saved) => {
        // Φ(x) + x φ(x), φ(x) = exp(-x²/2) / √(2π)
        const density = tf.mul(tf.exp(tf.mul(tf.square(savedInput!), -0.5)), 1 / Math.sqrt(2 * Math.PI))
        return tf.mul(dy, tf.add(tf.mul(savedDoubled!, 0.5), tf.mul(savedInput!, density)))
      },
    }
  })
  return activate(x)
}

/**
 * softmax(q kᵀ / √d) v in several heads: q [B·Nq, C], k and v [B·Nk, C] → [B·Nq, C], where C is heads × d.
 */
export function attend(
  { tf }: Network,
  inputs: { q: Tensor2D; k: Tensor2D; v: Tensor2D },
  { batch, heads }: { batch: number; heads: number },
): Tensor2D {
  const [channels, depth] = [inputs.q.shape[1], inputs.q.shape[1] / heads]
  const scale = 1 / Math.sqrt(depth)
  const split = (x: Tensor): Tensor4D => tf.transpose(tf.reshape(x, [batch, -1, heads, depth]), [0, 2, 1, 3])
  const merge = (x: Tensor): Tensor2D => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, channels])
  const attention = tf.customGrad((...args: unknown[]) => {
    const [q, k, v] = args.slice(0, 3).map((x) => split(x as Tensor)) as [Tensor4D, Tensor4D, Tensor4D] // [B, h, N, d]
    const scaled = tf.mul(q, scale)
    const probabilities = tf.softmax(tf.matMul(scaled, k, false, true)) // [B, h, Nq, Nk]
    ;(args.at(-1) as Save)([scaled, k, v, probabilities])
    return {
      value: merge(tf.matMul(probabilities, v)),
      gradFunc: (dy: Tensor2D, [savedQ, savedK, savedV, p]: Saved) => {
        const dOut = split(dy)
        const dP = tf.matMul(dOut, savedV!, false, true) // [B, h, Nq, Nk]
        const dPp = tf.mul(dP, p!)
        const dScores = tf.sub(dPp, tf.mul(p!, tf.sum(dPp, 3, true)))
        return [
          tf.mul(merge(tf.matMul(dScores, savedK!)), scale),
          merge(tf.matMul(dScores, savedQ!, true)),
          merge(tf.matMul(p!, dOut, true)),
        ]
      },
    }
  })
  return attention(inputs.q, inputs.k, inputs.v) as Tensor2D
}
