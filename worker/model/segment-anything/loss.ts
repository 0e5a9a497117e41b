// Losses of mask logits against true masks, as MONAI computes them for one channel: Dice of squared predictions, binary cross
// entropy, focal. Gradients are written out, so every backend has them. Guarantees finite values for large logits.
// Source: Project-MONAI/MONAI monai/losses/{dice,focal_loss}.py (sigmoid, squared_pred, reduction mean).
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'

/** The names in a job file. */
export type LossName = 'DiceCE' | 'Dice' | 'DiceFocal'

/** Keeps an empty mask from a division by zero; MONAI's smooth_nr and smooth_dr. */
const SMOOTH = 1e-5
/** MONAI's gamma. */
const FOCUS = 2

/** Mean loss of logits [n, pixels] against truth [n, pixels] in 0..1. */
export function maskLoss(tf: TensorFlow, name: LossName, logits: Tensor2D, truth: Tensor2D): Scalar {
  const dice = diceLoss(tf, logits, truth)
  if (name === 'Dice') return dice
  const other = name === 'DiceCE' ? crossEntropy(tf, logits, truth) : focalLoss(tf, logits, truth)
  return tf.add(dice, other)
}

/** 1 - (2 Σpg + s) / (Σp² + Σg² + s) for each mask, then the mean over masks. */
export function diceLoss(tf: TensorFlow, logits: Tensor2D, truth: Tensor2D): Scalar {
  return withGradient(tf, logits, (z) => {
    const p = tf.sigmoid(z)
    const overlap = tf.add(tf.mul(tf.sum(tf.mul(p, truth), 1, true), 2), SMOOTH) // [n, 1]
    const total = tf.add(tf.add(tf.sum(tf.square(p), 1, true), tf.sum(tf.square(truth), 1, true)), SMOOTH)
    const ratio = tf.div(overlap, total)
    // ∂(1 - overlap/total)/∂p = 2 (p · ratio - g) / total, and ∂p/∂z = p (1 - p)
    const slope = tf.div(tf.mul(tf.sub(tf.mul(p, ratio), truth), 2 / z.shape[0]), total)
    return { value: tf.sub(1, tf.mean(ratio)), gradient: tf.mul(slope, tf.mul(p, tf.sub(1, p))) }
  })
}

/** Mean binary cross entropy of logits: max(z, 0) - z g + log(1 + exp(-|z|)). */
export function crossEntropy(tf: TensorFlow, logits: Tensor2D, truth: Tensor2D): Scalar {
  return withGradient(tf, logits, (z) => {
    const value = tf.mean(entropyOf(tf, z, truth))
    return { value, gradient: tf.mul(tf.sub(tf.sigmoid(z), truth), 1 / z.size) }
  })
}

/** Mean of (1 - p of the true class)^γ times the cross entropy. */
export function focalLoss(tf: TensorFlow, logits: Tensor2D, truth: Tensor2D): Scalar {
  return withGradient(tf, logits, (z) => {
    const sign = tf.sub(tf.mul(truth, 2), 1) // +1 object, -1 background
    const wrong = tf.sigmoid(tf.neg(tf.mul(z, sign))) // 1 - p of the true class
    const entropy = entropyOf(tf, z, truth)
    const focus = tf.pow(wrong, FOCUS)
    const slope = tf.add(tf.mul(tf.mul(tf.sub(1, wrong), entropy), FOCUS), wrong)
    const gradient = tf.mul(tf.mul(tf.mul(focus, slope), sign), -1 / z.size)
    return { value: tf.mean(tf.mul(focus, entropy)), gradient }
  })
}

function entropyOf(tf: TensorFlow, z: Tensor, truth: Tensor): Tensor {
  return tf.add(tf.sub(tf.relu(z), tf.mul(z, truth)), tf.log1p(tf.exp(tf.neg(tf.abs(z)))))
}

/** A scalar of logits whose gradient was computed along with it. */
function withGradient(
  tf: TensorFlow,
  logits: Tensor2D,
  compute: (z: Tensor2D) => { value: Tensor; gradient: Tensor },
): Scalar {
  const loss = tf.customGrad((...args: unknown[]) => {
    const { value, gradient } = compute(args[0] as Tensor2D)
    ;(args[1] as (saved: Tensor[]) => void)([gradient])
    return { value, gradFunc: (dy: Tensor, [saved]: Tensor[]) => tf.mul(dy, saved!) }
  })
  return loss(logits) as Scalar
}
