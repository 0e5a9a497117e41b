// A network's weights: a master copy in plain 32-bit floats, and tensors on the backend, created from it at their first use.
// Guarantees that no tensor on the backend is stale: a changed weight is replaced. `dispose` frees all tensors.
import type * as tfjs from '@tensorflow/tfjs-core'
import { FedsamError } from '#protocol/errors.ts'
import { fromFloat32, toFloat32 } from '#protocol/half.ts'
import type { Tensor } from '#protocol/tensors.ts'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'

/** Weights by checkpoint name. */
export interface Weights {
  /** On the backend; owned by the weights. */
  tensor(name: string): tfjs.Tensor
  /** The master copy. Call `changed` after a change. */
  values(name: string): Float32Array
  changed(name: string): void
  /** Copies as F32 tensors, in the order of `names`. */
  get(names: readonly string[]): Tensor[]
  /** Replaces values. BadCheckpoint for an unknown name or another shape. */
  set(tensors: readonly Tensor[]): void
  dispose(): void
}

export function createWeights(tf: TensorFlow, tensors: Iterable<Tensor>): Weights {
  const masters = new Map<string, { shape: readonly number[]; values: Float32Array }>()
  for (const tensor of tensors) masters.set(tensor.name, { shape: tensor.shape, values: toFloat32(tensor) })
  const onBackend = new Map<string, tfjs.Tensor>()

  const master = (name: string) => {
    const found = masters.get(name)
    if (found === undefined) throw unfit(`The model has no tensor named ${name}.`)
    return found
  }
  const changed = (name: string) => {
    onBackend.get(name)?.dispose()
    onBackend.delete(name)
  }
  return {
    tensor(name) {
      const known = onBackend.get(name)
      if (known !== undefined) return known
      const { shape, values } = master(name)
      // The scope that first needs the tensor creates it, and `keep` lets it outlive the scope. It is a copy, because the CPU
      // backend would alias the master.
      const made = tf.keep(tf.tensor(values.slice(), [...shape], 'float32'))
      onBackend.set(name, made)
      return made
    },
    values: (name) => master(name).values,
    changed,
    get: (names) =>
      names.map((name) => {
        const { shape, values } = master(name)
        return { name, shape, dtype: 'F32', data: fromFloat32(values.slice(), 'F32') }
      }),
    set(given) {
      for (const tensor of given) {
        const { shape, values } = master(tensor.name)
        if (tensor.shape.join() !== shape.join())
          throw unfit(`Tensor ${tensor.name} has shape [${tensor.shape}], but the model's has [${shape}].`)
        values.set(toFloat32(tensor))
        changed(tensor.name)
      }
    },
    dispose() {
      for (const name of [...onBackend.keys()]) changed(name)
    },
  }
}

function unfit(message: string): FedsamError {
  return new FedsamError('BadCheckpoint', message, {
    remedy: 'Use parameters of a model with the same config.json.',
  })
}
