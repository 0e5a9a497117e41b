// Server optimizers: they compute the new parameters w from the combined delta D of a round (the negative pseudo-gradient).
// As Flower 1.42 computes them: all state starts at 0, eta_l is not used. Reddi et al. 2021, arXiv 2003.00295;
// FedAvgM: Hsu et al. 2019, arXiv 1909.06335. Loops read a length once: until V8 has optimised a loop, reading
// the length of a typed array is a function call.

import type { ServerOptimizer } from './strategy.ts'

const withoutScalars = {
  scalars: {},
  nextScalars: () => ({}),
}

/** w ← w + rate × D. With rate 1 this is FedAvg. */
export function sgd(rate: number): ServerOptimizer {
  return {
    ...withoutScalars,
    vectors: [],
    step({ values, delta }) {
      const { length } = values
      for (let i = 0; i < length; i++) values[i] = values[i]! + rate * delta[i]!
    },
  }
}

/** v ← momentum × v - D; w ← w - rate × v. No dampening, no Nesterov. */
export function sgdWithMomentum(rate: number, momentum: number): ServerOptimizer {
  return {
    ...withoutScalars,
    vectors: ['momentum'],
    step({ values, delta, vectors: [velocity] }) {
      const { length } = values
      for (let i = 0; i < length; i++) {
        const v = momentum * velocity![i]! - delta[i]!
        velocity![i] = v
        values[i] = values[i]! - rate * v
      }
    },
  }
}

export interface AdaptiveParameters {
  readonly eta: number
  readonly beta1: number
  readonly beta2: number
  readonly tau: number
}

/**
 * m ← β1 m + (1-β1) D; v ← β2 v + (1-β2) D²; w ← w + η' m / (√v + τ), η' = η √(1-β2^(r+1)) / (1-β1^(r+1)).
 * r counts from 1, so the first round has the exponent 2, as in Flower. The paper has no such correction.
 */
export function adam({ eta, beta1, beta2, tau }: AdaptiveParameters): ServerOptimizer {
  return {
    vectors: ['m', 'v'],
    // The state keeps powers by repeated multiplication, since Math.pow may differ between machines.
    scalars: { beta1Power: beta1, beta2Power: beta2 },
    nextScalars: ({ beta1Power, beta2Power }) => ({
      beta1Power: beta1Power! * beta1,
      beta2Power: beta2Power! * beta2,
    }),
    step({ values, delta, vectors: [m, v], scalars }) {
      const rate = (eta * Math.sqrt(1 - scalars.beta2Power!)) / (1 - scalars.beta1Power!)
      const { length } = values
      for (let i = 0; i < length; i++) {
        const d = delta[i]!
        m![i] = beta1 * m![i]! + (1 - beta1) * d
        v![i] = beta2 * v![i]! + (1 - beta2) * (d * d)
        values[i] = values[i]! + (rate * m![i]!) / (Math.sqrt(v![i]!) + tau)
      }
    },
  }
}

/** m as adam; v ← v - (1-β2) D² sign(v - D²); w ← w + η m / (√v + τ). No bias correction. */
export function yogi({ eta, beta1, beta2, tau }: AdaptiveParameters): ServerOptimizer {
  return {
    ...withoutScalars,
    vectors: ['m', 'v'],
    step({ values, delta, vectors: [m, v] }) {
      const { length } = values
      for (let i = 0; i < length; i++) {
        const d = delta[i]!
        m![i] = beta1 * m![i]! + (1 - beta1) * d
        v![i] = v![i]! - (1 - beta2) * (d * d) * Math.sign(v![i]! - d * d)
        values[i] = values[i]! + (eta * m![i]!) / (Math.sqrt(v![i]!) + tau)
      }
    },
  }
}

/** v ← v + D²; w ← w + η D / (√v + τ). */
export function adagrad({ eta, tau }: Pick<AdaptiveParameters, 'eta' | 'tau'>): ServerOptimizer {
  return {
    ...withoutScalars,
    vectors: ['v'],
    step({ values, delta, vectors: [v] }) {
      const { length } = values
      for (let i = 0; i < length; i++) {
        const d = delta[i]!
        v![i] = v![i]! + d * d
        values[i] = values[i]! + (eta * d) / (Math.sqrt(v![i]!) + tau)
      }
    },
  }
}
