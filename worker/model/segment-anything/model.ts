// The Segment Anything model for the trainer: plain arrays in and out, tensors inside. It computes image embeddings apart from
// decoding, so that the trainer can cache them while the encoder is frozen. Guarantees that a training step changes only the named
// tensors, and that every call frees its tensors. worker/trainer has the batches and rounds; checkpoint.ts reads the files.
import type * as tfjs from '@tensorflow/tfjs-core'
import type { Tensor } from '#protocol/tensors.ts'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'
import type { SamConfig } from './config.ts'
import { type LossName, maskLoss } from './loss.ts'
import { iouScores, maskLogits, transform } from './mask-decoder.ts'
import { fromNested, nestedOrder, toNested } from './nested-masks.ts'
import type { Network } from './network.ts'
import { type OptimizerSettings, type OptimizerState, optimizerStep } from './optimizer.ts'
import { encodeMasks, encodeSparse, gridPositions, type Prompts } from './prompt-encoder.ts'
import { encodeImages } from './vision-encoder.ts'
import { createWeights, type Weights } from './weights.ts'

/** Images of a batch: embeddings [B, G, G, C] (from encodeImages), or pixels [B, 3, H, W] where the encoder trains. */
export type Images = { readonly embeddings: Float32Array } | { readonly pixels: Float32Array }

/** B images with P prompts each (default 1), image by image. Masks are low-resolution logits [B·P, 4G, 4G]. */
export type Prompted = Images &
  Prompts & { readonly images: number; readonly promptsPerImage?: number; readonly masks?: Float32Array }

/** Masks as logits [B·P, masks, 4G, 4G] and predicted IoU [B·P, masks]; masks is 1, or 3 with multimask. */
export interface Prediction {
  readonly lowResMasks: Float32Array
  readonly iouScores: Float32Array
  readonly masks: number
}

/** Prompted images and their true masks [B·P, 4G, 4G], 0 or 1. */
export type TrainingBatch = Prompted & { readonly truth: ArrayLike<number> }

/** The tensors that a step changes, and its parameters. The step changes `state` in place. */
export interface Training {
  /** Tensors that train. One that the loss does not depend on stays as it is. */
  readonly names: readonly string[]
  readonly loss: LossName
  readonly optimizer: OptimizerSettings
  readonly state: OptimizerState
}

/** A SAM model on one backend. */
export interface SegmentAnything {
  readonly config: SamConfig
  /** Pixels [B, 3, H, W], normalised and padded → embeddings [B, G, G, C]. */
  encodeImages(pixels: Float32Array, images: number): Promise<Float32Array>
  predict(request: Prompted & { readonly multimask?: boolean }): Promise<Prediction>
  /** Loss before the step. The named tensors change. */
  trainStep(batch: TrainingBatch, training: Training): Promise<number>
  /** Loss and its gradients by name (absent: the loss does not depend on it); nothing changes. */
  gradients(
    batch: TrainingBatch,
    training: Pick<Training, 'names' | 'loss'>,
  ): Promise<{ loss: number; gradients: Map<string, Float32Array> }>
  /** Copies, as F32. */
  getTensors(names: readonly string[]): Tensor[]
  setTensors(tensors: readonly Tensor[]): void
  dispose(): void
}

/** Builds the model from a complete list of tensors (checkpoint.ts). Nothing is computed yet. */
export function createSegmentAnything(
  tf: TensorFlow,
  config: SamConfig,
  tensors: ReadonlyMap<string, Tensor>,
): SegmentAnything {
  const weights = createWeights(tf, tensors.values())
  const decoding = createDecoding(tf, config, weights)
  const gradients: SegmentAnything['gradients'] = async (batch, { names, loss }) => {
    const net = decoding.network(new Set(names))
    const { value, grads } = tf.tidy(() => {
      const truth = decoding.masks(batch.truth)
      const compute = () => maskLoss(tf, loss, decoding.singleMask(net, batch), truth)
      // tf.valueAndGrads rejects a tensor that the loss does not depend on. Here such a tensor has no gradient, as in PyTorch.
      return tf.engine().gradients(compute, names.map(weights.tensor))
    })
    const found = grads.map(
      (gradient: tfjs.Tensor | undefined) => gradient?.data() as Promise<Float32Array> | undefined,
    )
    try {
      const [lossValues, ...values] = await Promise.all([value.data() as Promise<Float32Array>, ...found])
      const entries = names.flatMap((name, i) =>
        values[i] === undefined ? [] : [[name, values[i]] as const],
      )
      return { loss: lossValues[0]!, gradients: new Map(entries) }
    } finally {
      tf.dispose([value, ...grads])
    }
  }
  return {
    config,
    gradients,
    async encodeImages(pixels, images) {
      const { imageSize } = config.vision
      const net = decoding.network(new Set())
      const rows = tf.tidy(() => encodeImages(net, tf.tensor4d(pixels, [images, 3, imageSize, imageSize])))
      return read(rows)
    },
    async predict({ multimask = false, ...request }) {
      const net = decoding.network(new Set())
      const masks = multimask ? Array.from({ length: config.decoder.multimaskOutputs }, (_, i) => i + 1) : [0]
      const [logits, scores] = tf.tidy(() => decoding.masksAndScores(net, request, masks))
      const [nested, iou] = [await read(logits), await read(scores)]
      return {
        lowResMasks: fromNested(nested, decoding.order, masks.length),
        iouScores: iou,
        masks: masks.length,
      }
    },
    async trainStep(batch, training) {
      const { loss, gradients: found } = await gradients(batch, training)
      const moving = [...found].map(([name, gradient]) => ({ name, values: weights.values(name), gradient }))
      optimizerStep(training.optimizer, training.state, moving)
      for (const { name } of moving) weights.changed(name)
      return loss
    },
    getTensors: (names) => weights.get(names),
    setTensors: (given) => weights.set(given),
    dispose() {
      decoding.dispose()
      weights.dispose()
    },
  }
}

/** Copies a tensor's values out and frees it. */
async function read(tensor: tfjs.Tensor): Promise<Float32Array> {
  try {
    return Float32Array.from(await tensor.data())
  } finally {
    tensor.dispose()
  }
}

/** From prompted images to logits: what prediction and training share. */
function createDecoding(tf: TensorFlow, config: SamConfig, weights: Weights) {
  const { grid } = config
  const width = config.decoder.hiddenSize
  const order = nestedOrder(grid)
  // Positions of the grid's cells, repeated for each prompt: made once for each number of prompts.
  const positions = new Map<number, tfjs.Tensor2D>()

  const network = (trained: ReadonlySet<string>): Network => ({
    tf,
    config,
    weight: weights.tensor,
    values: weights.values,
    trains: (name) => trained.has(name),
  })

  const positionsFor = (net: Network, prompts: number): tfjs.Tensor2D => {
    let rows = positions.get(prompts)
    if (rows === undefined) {
      const once = tf.tensor2d(gridPositions(net), [grid * grid, width])
      rows = tf.keep(tf.tile(once, [prompts, 1]))
      positions.set(prompts, rows)
    }
    return rows
  }

  const embed = (net: Network, request: Prompted): tfjs.Tensor2D =>
    'pixels' in request
      ? encodeImages(
          net,
          tf.tensor4d(request.pixels, [request.images, 3, config.vision.imageSize, config.vision.imageSize]),
        )
      : tf.tensor2d(request.embeddings, [request.images * grid * grid, width])

  /** Image rows with the dense prompt, repeated for each of an image's prompts: [B·P·G·G, D]. */
  const promptedImage = (net: Network, request: Prompted, prompts: number): tfjs.Tensor2D => {
    const perImage = prompts / request.images
    let rows = embed(net, request)
    if (perImage > 1) {
      const stacked = tf.reshape(rows, [request.images, 1, -1])
      rows = tf.reshape(tf.add(tf.zeros([request.images, perImage, 1]), stacked), [-1, width])
    }
    if (request.masks === undefined) return tf.add(rows, net.weight('prompt_encoder.no_mask_embed.weight'))
    const nested = tf.tensor2d(toNested(request.masks, order), [request.masks.length, 1])
    return tf.add(rows, encodeMasks(net, nested))
  }

  const decode = (net: Network, request: Prompted) => {
    const prompts = request.images * (request.promptsPerImage ?? 1)
    const streams = transform(net, {
      prompts,
      image: promptedImage(net, request, prompts),
      positions: positionsFor(net, prompts),
      sparse: encodeSparse(net, request, prompts).rows,
    })
    return { streams, prompts }
  }

  return {
    order,
    network,
    /** True masks in nested order [B·P, G·G·16]. */
    masks: (truth: ArrayLike<number>): tfjs.Tensor2D =>
      tf.tensor2d(toNested(truth, order), [truth.length / order.length, order.length]),
    /** Single-mask logits [B·P, G·G·16] in nested order. */
    singleMask(net: Network, request: Prompted): tfjs.Tensor2D {
      const { streams, prompts } = decode(net, request)
      return tf.reshape(maskLogits(net, streams, { prompts, masks: [0] }), [prompts, order.length])
    },
    masksAndScores(net: Network, request: Prompted, masks: readonly number[]): [tfjs.Tensor, tfjs.Tensor] {
      const { streams, prompts } = decode(net, request)
      const scores = iouScores(net, streams.tokens, prompts)
      return [
        maskLogits(net, streams, { prompts, masks }),
        tf.slice(scores, [0, masks[0]!], [-1, masks.length]),
      ]
    },
    dispose() {
      for (const rows of positions.values()) rows.dispose()
      positions.clear()
    },
  }
}
