// SAM's image encoder: patches, transformer layers that attend in windows or over the whole image, and a neck that produces the
// embedding. Guarantees the numbers of Hugging Face's SamVisionEncoder, window padding included: padded tokens are not masked, and
// their key and value come from the bias alone. Rows are [B·G·G, channels]; G is the grid's side.
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import { affine, gelu, layerNorm, linear } from './layers.ts'
import type { Network } from './network.ts'
import { attendInWindow } from './window-attention.ts'

/** Pixels [B, 3, H, W] → embedding rows [B·G·G, C]. */
export function encodeImages(net: Network, pixels: Tensor4D): Tensor2D {
  const { tf, config } = net
  return tf.tidy(() => {
    let rows = embedPatches(net, pixels)
    for (let layer = 0; layer < config.vision.layers; layer++) {
      const next = visionLayer(net, rows, layer)
      rows.dispose()
      rows = next
    }
    return neck(net, rows)
  })
}

/** Pixels [B, 3, H, W] → patches with absolute positions [B·G·G, hidden]. */
export function embedPatches(net: Network, pixels: Tensor4D): Tensor2D {
  const { tf, config } = net
  const { hiddenSize, patchSize } = config.vision
  const { grid } = config
  return tf.tidy(() => {
    const split = tf.reshape(pixels, [-1, 3, grid, patchSize, grid, patchSize])
    const patches = tf.reshape(tf.transpose(split, [0, 2, 4, 1, 3, 5]), [-1, 3 * patchSize ** 2]) as Tensor2D
    const path = 'vision_encoder.patch_embed.projection'
    const weight = tf.reshape(net.weight(`${path}.weight`), [hiddenSize, -1]) as Tensor2D
    const projected = affine(net, patches, weight, {
      bias: net.weight(`${path}.bias`) as Tensor1D,
      path,
    })
    const positioned = tf.add(
      tf.reshape(projected, [-1, grid, grid, hiddenSize]),
      net.weight('vision_encoder.pos_embed'), // [1, G, G, hidden]
    )
    return tf.reshape(positioned, [-1, hiddenSize]) as Tensor2D
  })
}

/** One transformer layer: rows [B·G·G, hidden] → the same shape. */
export function visionLayer(net: Network, rows: Tensor2D, layer: number): Tensor2D {
  const { tf, config } = net
  const { epsilon, globalLayers, windowSize } = config.vision
  const path = `vision_encoder.layers.${layer}`
  return tf.tidy(() => {
    const normed = layerNorm(net, rows, `${path}.layer_norm1`, epsilon)
    const attended = globalLayers.includes(layer)
      ? attendInWindow(net, normed, { path: `${path}.attn`, side: config.grid })
      : fromWindows(
          net,
          attendInWindow(net, toWindows(net, normed), { path: `${path}.attn`, side: windowSize }),
        )
    const sum = tf.add(rows, attended) as Tensor2D
    const hidden = gelu(
      net,
      linear(net, layerNorm(net, sum, `${path}.layer_norm2`, epsilon), `${path}.mlp.lin1`),
    )
    return tf.add(sum, linear(net, hidden, `${path}.mlp.lin2`)) as Tensor2D
  })
}

/** Rows [B·G·G, C] → [B·windows·w·w, C]; the grid is padded with zeros to whole windows at the bottom and right. */
function toWindows({ tf, config }: Network, rows: Tensor2D): Tensor2D {
  const { grid } = config
  const { windowSize } = config.vision
  const count = Math.ceil(grid / windowSize)
  const missing = count * windowSize - grid
  const channels = rows.shape[1]
  let image: Tensor = tf.reshape(rows, [-1, grid, grid, channels])
  if (missing > 0) {
    const padding: [number, number][] = [
      [0, 0],
      [0, missing],
      [0, missing],
      [0, 0],
    ]
    image = tf.pad(image, padding)
  }
  const cut = tf.reshape(image, [-1, count, windowSize, count, windowSize, channels])
  return tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4, 5]), [-1, channels])
}

/** The inverse of toWindows; drops the padding. */
function fromWindows({ tf, config }: Network, rows: Tensor2D): Tensor2D {
  const { grid } = config
  const { windowSize } = config.vision
  const count = Math.ceil(grid / windowSize)
  const padded = count * windowSize
  const channels = rows.shape[1]
  const cut = tf.reshape(rows, [-1, count, count, windowSize, windowSize, channels])
  const image = tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4, 5]), [-1, padded, padded, channels])
  const kept = padded === grid ? image : tf.slice(image, [0, 0, 0, 0], [-1, grid, grid, -1])
  return tf.reshape(kept, [-1, channels])
}

/** 1×1 and 3×3 convolutions without bias, each followed by a norm over channels: [B·G·G, hidden] → [B·G·G, C]. */
export function neck(net: Network, rows: Tensor2D): Tensor2D {
  const { tf, config } = net
  const { outputChannels: channels, hiddenSize } = config.vision
  const { grid } = config
  const path = 'vision_encoder.neck'
  return tf.tidy(() => {
    const pointwise = tf.reshape(net.weight(`${path}.conv1.weight`), [channels, hiddenSize]) as Tensor2D
    // Hugging Face builds the norms of the neck with 1e-6, for any configuration.
    const narrow = layerNorm(
      net,
      affine(net, rows, pointwise, { path: `${path}.conv1` }),
      `${path}.layer_norm1`,
      1e-6,
    )
    const image = tf.pad(tf.reshape(narrow, [-1, grid, grid, channels]), [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ])
    const shifts = [0, 1, 2].flatMap((y) => [0, 1, 2].map((x) => [0, y, x, 0]))
    const around = tf.concat(
      shifts.map((begin) => tf.slice(image, begin, [-1, grid, grid, -1])),
      3,
    ) // [B, G, G, 9·C]
    const kernel = tf.transpose(net.weight(`${path}.conv2.weight`), [0, 2, 3, 1]) // [out, 3, 3, in]
    const mixed = affine(
      net,
      tf.reshape(around, [-1, 9 * channels]) as Tensor2D,
      tf.reshape(kernel, [channels, -1]) as Tensor2D,
      { path: `${path}.conv2` },
    )
    return layerNorm(net, mixed, `${path}.layer_norm2`, 1e-6)
  })
}
