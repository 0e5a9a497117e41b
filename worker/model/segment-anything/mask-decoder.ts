// SAM's mask decoder: tokens and image attend to each other, the image is enlarged fourfold, and each mask token's hypernetwork
// converts it to a mask. Guarantees the numbers of Hugging Face's SamMaskDecoder. Training computes only the single mask: its
// gradients equal those of a computation of all masks. Rows are [B·P·tokens, D] and [B·P·G·G, D].
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core'
import { affine, attend, gelu, layerNorm, linear } from './layers.ts'
import type { Network } from './network.ts'

/** Hugging Face builds the last norm without the configured epsilon: it has PyTorch's default. */
const FINAL_EPSILON = 1e-5

/** The decoder's input, for B·P prompts. */
export interface DecoderInputs {
  /** Number of prompts, B·P. */
  readonly prompts: number
  /** Image embedding with the dense prompt already added: [B·P·G·G, D]. */
  readonly image: Tensor2D
  /** Positions of the grid's cells, once for each prompt: [B·P·G·G, D]. */
  readonly positions: Tensor2D
  /** Sparse prompt tokens [B·P·tokens, D]. */
  readonly sparse: Tensor2D
}

/** Token rows [B·P·tokens, D], output tokens first, and image rows [B·P·G·G, D] after the two-way transformer. */
export interface DecodedStreams {
  readonly tokens: Tensor2D
  readonly image: Tensor2D
}

/** The two-way transformer. */
export function transform(
  net: Network,
  { prompts, image, positions, sparse }: DecoderInputs,
): DecodedStreams {
  const { tf, config } = net
  const { layers } = config.decoder
  const first = withOutputTokens(net, sparse, prompts)
  let streams: DecodedStreams = { tokens: first, image }
  for (let layer = 0; layer < layers; layer++)
    streams = twoWayLayer(net, streams, { prompts, first, positions, layer })
  const path = 'mask_decoder.transformer'
  const query = tf.add(streams.tokens, first) as Tensor2D
  const key = tf.add(streams.image, positions) as Tensor2D
  const attended = attention(
    net,
    { query, key, value: streams.image },
    { prompts, path: `${path}.final_attn_token_to_image` },
  )
  const sum = tf.add(streams.tokens, attended) as Tensor2D
  return { tokens: layerNorm(net, sum, `${path}.layer_norm_final_attn`, FINAL_EPSILON), image: streams.image }
}

/** [iou token, mask tokens, sparse tokens] of each prompt: [B·P·(1 + masks + tokens), D]. */
function withOutputTokens(net: Network, sparse: Tensor2D, prompts: number): Tensor2D {
  const { tf, config } = net
  const width = config.decoder.hiddenSize
  const learned = tf.concat([
    net.weight('mask_decoder.iou_token.weight'),
    net.weight('mask_decoder.mask_tokens.weight'),
  ])
  // Adding to zeros broadcasts, and its gradient is one sum; tile's would be a loop.
  const output = tf.add(tf.zeros([prompts, learned.shape[0]!, width]), learned) as Tensor3D
  return tf.reshape(tf.concat([output, tf.reshape(sparse, [prompts, -1, width])], 1), [-1, width])
}

/** Tokens attend to themselves and to the image, then the image to the tokens. */
function twoWayLayer(
  net: Network,
  { tokens, image }: DecodedStreams,
  at: { prompts: number; first: Tensor2D; positions: Tensor2D; layer: number },
): DecodedStreams {
  const { tf, config } = net
  const { epsilon } = config.decoder
  const { prompts, first, positions } = at
  const path = `mask_decoder.transformer.layers.${at.layer}`
  const norm = (x: Tensor, number: number) =>
    layerNorm(net, x as Tensor2D, `${path}.layer_norm${number}`, epsilon)
  const within = { prompts, path: `${path}.self_attn` }
  let queries: Tensor2D
  if (at.layer === 0) {
    // The first layer's result replaces the tokens: there is nothing yet to add it to.
    queries = norm(attention(net, { query: tokens, key: tokens, value: tokens }, within), 1)
  } else {
    const placed = tf.add(tokens, first) as Tensor2D
    queries = norm(tf.add(tokens, attention(net, { query: placed, key: placed, value: tokens }, within)), 1)
  }
  const placedImage = tf.add(image, positions) as Tensor2D
  const toImage = { query: tf.add(queries, first) as Tensor2D, key: placedImage, value: image }
  queries = norm(
    tf.add(queries, attention(net, toImage, { prompts, path: `${path}.cross_attn_token_to_image` })),
    2,
  )
  const hidden = tf.relu(linear(net, queries, `${path}.mlp.lin1`))
  queries = norm(tf.add(queries, linear(net, hidden, `${path}.mlp.lin2`)), 3)
  const toTokens = { query: placedImage, key: tf.add(queries, first) as Tensor2D, value: queries }
  const answered = attention(net, toTokens, { prompts, path: `${path}.cross_attn_image_to_token` })
  return { tokens: queries, image: norm(tf.add(image, answered), 4) }
}

/** Attention with projections of its own: rows [B·P·Nq, D], [B·P·Nk, D] → [B·P·Nq, D]. */
function attention(
  net: Network,
  { query, key, value }: { query: Tensor2D; key: Tensor2D; value: Tensor2D },
  { prompts, path }: { prompts: number; path: string },
): Tensor2D {
  const q = linear(net, query, `${path}.q_proj`)
  const k = linear(net, key, `${path}.k_proj`)
  const v = linear(net, value, `${path}.v_proj`)
  const attended = attend(net, { q, k, v }, { batch: prompts, heads: net.config.decoder.heads })
  return linear(net, attended, `${path}.out_proj`)
}

/** Logits of the masks numbered `masks`, in nested order: [B·P, G·G·16, masks]. Mask 0 is the single-mask answer. */
export function maskLogits(
  net: Network,
  { tokens, image }: DecodedStreams,
  at: { prompts: number; masks: readonly number[] },
): Tensor3D {
  const { tf, config } = net
  const width = config.decoder.hiddenSize
  const enlarged = tf.reshape(upscale(net, image), [at.prompts, -1, width / 8]) // [B·P, G·G·16, D/8]
  const perPrompt = tf.reshape(tokens, [at.prompts, -1, width]) as Tensor3D
  const kernels = at.masks.map((mask) => {
    const path = `mask_decoder.output_hypernetworks_mlps.${mask}`
    const kernel = feedForward(net, tokenAt(net, perPrompt, 1 + mask), { path, depth: 3 }) // [B·P, D/8]
    return tf.reshape(kernel, [at.prompts, width / 8, 1])
  })
  return tf.matMul(enlarged, kernels.length === 1 ? kernels[0]! : tf.concat(kernels, 2)) as Tensor3D
}

/** Predicted IoU of every mask: [B·P, 1 + multimask outputs]. */
export function iouScores(net: Network, tokens: Tensor2D, prompts: number): Tensor2D {
  const { hiddenSize, iouHeadDepth } = net.config.decoder
  const token = tokenAt(net, net.tf.reshape(tokens, [prompts, -1, hiddenSize]) as Tensor3D, 0)
  return feedForward(net, token, { path: 'mask_decoder.iou_prediction_head', depth: iouHeadDepth })
}

/** Tokens [B·P, tokens, D] → the one at `index` of each prompt, [B·P, D]. */
function tokenAt({ tf }: Network, tokens: Tensor3D, index: number): Tensor2D {
  const [prompts, , width] = tokens.shape
  return tf.reshape(tf.slice(tokens, [0, index, 0], [-1, 1, -1]), [prompts, width])
}

function feedForward(net: Network, x: Tensor2D, { path, depth }: { path: string; depth: number }): Tensor2D {
  let hidden = net.tf.relu(linear(net, x, `${path}.proj_in`))
  for (let layer = 0; layer < depth - 2; layer++)
    hidden = net.tf.relu(linear(net, hidden, `${path}.layers.${layer}`))
  return linear(net, hidden, `${path}.proj_out`)
}

/** Image rows [B·P·G·G, D] → [B·P·G·G·16, D/8] in nested order (nested-masks.ts). */
function upscale(net: Network, image: Tensor2D): Tensor2D {
  const once = layerNorm(
    net,
    enlarge(net, image, 'mask_decoder.upscale_conv1'),
    'mask_decoder.upscale_layer_norm',
    1e-6,
  )
  return gelu(net, enlarge(net, gelu(net, once), 'mask_decoder.upscale_conv2'))
}

/** Transposed convolution of stride 2 and kernel 2: each row becomes four. [N, in] → [4·N, out]. */
function enlarge(net: Network, rows: Tensor2D, path: string): Tensor2D {
  const { tf } = net
  const weight = net.weight(`${path}.weight`) // [in, out, 2, 2]
  const out = weight.shape[1]!
  const kernel = tf.reshape(tf.transpose(weight, [2, 3, 1, 0]), [4 * out, -1]) as Tensor2D // [2·2·out, in]
  const bias = tf.reshape(tf.add(tf.zeros([4, out]), net.weight(`${path}.bias`)), [-1]) as Tensor1D // [2·2·out]
  const blocks = affine(net, rows, kernel, { bias, path })
  return tf.reshape(blocks, [-1, out]) as Tensor2D
}
