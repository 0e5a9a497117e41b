// SAM's prompt encoder: converts boxes, points and a mask to embeddings of the decoder's width. Guarantees the numbers of Hugging
// Face's SamPromptEncoder. Coordinates are pixels of the model's square input. It computes positions in 64-bit floats; only
// learned embeddings are tensors, so that they can train.
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'
import { POSITIONAL } from '#protocol/segment-anything.ts'
import { affine, gelu, layerNorm } from './layers.ts'
import type { Network } from './network.ts'

/** The prompts of each image: the same number of prompts, points and boxes for every image of a batch. */
export interface Prompts {
  /** Corners x1, y1, x2, y2: [B·P, 4]. */
  readonly boxes?: Float32Array
  /** x, y: [B·P, N, 2]. */
  readonly points?: Float32Array
  /** 1 object, 0 background, -1 no point, -10 padding: [B·P, N]. */
  readonly labels?: ArrayLike<number>
}

/** One sparse token: where it is (undefined: nowhere), and the learned embedding it adds (undefined: none). */
interface SparseToken {
  readonly at: readonly [x: number, y: number] | undefined
  readonly embedding: string | undefined
}

const POINT = (kind: number) => `prompt_encoder.point_embed.${kind}.weight`
const NOT_A_POINT: SparseToken = { at: undefined, embedding: 'prompt_encoder.not_a_point_embed.weight' }

/**
 * Sparse tokens of `count` (= B·P) prompts → rows [B·P·tokens, D] and the number of tokens a prompt.
 * Points without a box get one more token that means "no point", as Hugging Face pads them.
 */
export function encodeSparse(
  net: Network,
  prompts: Prompts,
  count: number,
): { rows: Tensor2D; tokens: number } {
  const { tf, config } = net
  const width = config.decoder.hiddenSize
  const list = Array.from({ length: count }, (_, prompt) => tokensOf(prompts, prompt, count)).flat()
  const frequencies = frequenciesOf(net)
  const positions = new Float32Array(list.length * width)
  list.forEach(({ at }, row) => {
    if (at === undefined) return
    const [x, y] = at.map((pixel) => (pixel + 0.5) / config.vision.imageSize) as [number, number]
    encodePosition(frequencies, [x, y], positions.subarray(row * width, (row + 1) * width))
  })
  const rows = tf.tensor2d(positions, [list.length, width])
  const tokens = list.length / count
  const used = [...new Set(list.flatMap(({ embedding }) => embedding ?? []))].sort()
  if (used.length === 0) return { rows, tokens }
  // One-hot rows pick the embeddings: a lookup has no gradient on every backend.
  const choice = list.flatMap(({ embedding }) => used.map((name) => (name === embedding ? 1 : 0)))
  const table = tf.concat(used.map((name) => net.weight(name))) // [used, D]
  const learned = tf.matMul(tf.tensor2d(choice, [list.length, used.length]), table)
  return { rows: tf.add(rows, learned) as Tensor2D, tokens }
}

function tokensOf({ boxes, points, labels }: Prompts, prompt: number, count: number): SparseToken[] {
  const tokens: SparseToken[] = []
  const perPrompt = points === undefined ? 0 : points.length / 2 / count
  for (let i = prompt * perPrompt; i < (prompt + 1) * perPrompt; i++)
    tokens.push(pointToken([points![2 * i]!, points![2 * i + 1]!], labels?.[i] ?? 1))
  if (points !== undefined && boxes === undefined) tokens.push(NOT_A_POINT)
  if (boxes !== undefined) {
    const [x1, y1, x2, y2] = boxes.subarray(4 * prompt, 4 * prompt + 4)
    tokens.push({ at: [x1!, y1!], embedding: POINT(2) }, { at: [x2!, y2!], embedding: POINT(3) })
  }
  return tokens
}

function pointToken(at: [number, number], label: number): SparseToken {
  if (label === -10) return { at: undefined, embedding: undefined }
  return label === -1 ? NOT_A_POINT : { at, embedding: POINT(label === 1 ? 1 : 0) }
}

/** The random Fourier matrix [2, D/2] as numbers. It is a buffer: it never trains. */
function frequenciesOf(net: Network): Float32Array {
  return net.values(POSITIONAL)
}

/** sin then cos of 2π (2p - 1) M into `out` [D], for a position p = (x, y) in 0..1. */
function encodePosition(frequencies: Float32Array, [x, y]: [number, number], out: Float32Array): void {
  const half = frequencies.length / 2
  for (let i = 0; i < half; i++) {
    const angle = 2 * Math.PI * ((2 * x - 1) * frequencies[i]! + (2 * y - 1) * frequencies[half + i]!)
    out[i] = Math.sin(angle)
    out[half + i] = Math.cos(angle)
  }
}

/** Positions of the grid's cell centres: [G·G, D], row by row. */
export function gridPositions(net: Network): Float32Array {
  const { grid, decoder } = net.config
  const width = decoder.hiddenSize
  const frequencies = frequenciesOf(net)
  const positions = new Float32Array(grid * grid * width)
  for (let cell = 0; cell < grid * grid; cell++) {
    const [x, y] = [((cell % grid) + 0.5) / grid, (Math.floor(cell / grid) + 0.5) / grid]
    encodePosition(frequencies, [x, y], positions.subarray(cell * width, (cell + 1) * width))
  }
  return positions
}

/**
 * Dense embedding rows of mask prompts: logits [B·P·G·G·16, 1] in nested order (nested-masks.ts) → [B·P·G·G, D].
 * Without masks the dense embedding is `prompt_encoder.no_mask_embed.weight` everywhere.
 */
export function encodeMasks(net: Network, nestedMasks: Tensor2D): Tensor2D {
  const { tf, config } = net
  const { epsilon, maskInputChannels } = config.prompt
  const path = 'prompt_encoder.mask_embed'
  // A convolution of stride 2 and kernel 2 is a product: four neighbours, which are adjacent, form one row.
  const convolve = (rows: Tensor2D, name: string) => {
    const weight = net.weight(`${path}.${name}.weight`)
    const kernel = tf.reshape(tf.transpose(weight, [0, 2, 3, 1]), [weight.shape[0]!, -1]) as Tensor2D // [out, k·k·in]
    return affine(net, tf.reshape(rows, [-1, kernel.shape[1]]) as Tensor2D, kernel, {
      bias: net.weight(`${path}.${name}.bias`) as Tensor1D,
      path: `${path}.${name}`,
    })
  }
  const quarter = gelu(net, layerNorm(net, convolve(nestedMasks, 'conv1'), `${path}.layer_norm1`, epsilon))
  const whole = gelu(net, layerNorm(net, convolve(quarter, 'conv2'), `${path}.layer_norm2`, epsilon))
  return convolve(tf.reshape(whole, [-1, maskInputChannels]) as Tensor2D, 'conv3')
}
