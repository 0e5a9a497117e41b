// Self-attention over a square of patches with decomposed relative positions, the image encoder's only attention.
// As in SAM, the bias comes from the unscaled query, and is added before the softmax. Guarantees bounded memory: it computes
// groups of windows and heads one after another. vision-encoder.ts divides the image into windows.
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core'
import { linear } from './layers.ts'
import { multiply, type Network } from './network.ts'

/** Elements of the attention scores in memory at the same time: 128 MB. */
const MAX_SCORES = 2 ** 25

/** Rows [B·side·side, hidden] of B squares → the same shape. Weights under `path`: qkv, proj, rel_pos_h, rel_pos_w. */
export function attendInWindow(
  net: Network,
  rows: Tensor2D,
  { path, side }: { path: string; side: number },
): Tensor2D {
  const { tf, config } = net
  const { heads, hiddenSize } = config.vision
  const depth = hiddenSize / heads
  const tokens = side * side
  const qkv = tf.reshape(linear(net, rows, `${path}.qkv`), [-1, tokens, 3, heads, depth])
  const perHead = tf.reshape(tf.transpose(qkv, [2, 0, 3, 1, 4]), [-1, tokens, depth]) // [3·B·heads, N, d]
  const [q, k, v] = tf.split(perHead, 3) as [Tensor3D, Tensor3D, Tensor3D]
  const tables = {
    h: positionTable(net, `${path}.rel_pos_h`, side),
    w: positionTable(net, `${path}.rel_pos_w`, side),
  }
  const groups = groupSizes(q.shape[0], groupLimit(net, tokens))
  const [qs, ks, vs] = [q, k, v].map((x) => (groups.length === 1 ? [x] : tf.split(x, groups))) as [
    Tensor3D[],
    Tensor3D[],
    Tensor3D[],
  ]
  const parts = groups.map((_, i) => attendGroup(net, { q: qs[i]!, k: ks[i]!, v: vs[i]! }, tables))
  const merged = parts.length === 1 ? parts[0]! : tf.concat(parts) // [B·heads, N, d]
  const joined = tf.transpose(tf.reshape(merged, [-1, heads, tokens, depth]), [0, 2, 1, 3])
  return linear(net, tf.reshape(joined, [-1, hiddenSize]) as Tensor2D, `${path}.proj`)
}

/** How many windows and heads attend at once. The wasm backend multiplies single matrices ten times faster than batches. */
function groupLimit({ tf }: Network, tokens: number): number {
  return tf.getBackend() === 'wasm' ? 1 : Math.max(1, Math.floor(MAX_SCORES / tokens ** 2))
}

function groupSizes(total: number, limit: number): number[] {
  return Array.from({ length: Math.ceil(total / limit) }, (_, i) => Math.min(limit, total - i * limit))
}

/** softmax(q kᵀ / √d + positions) v for a group of b windows and heads, each [b, N, d]. */
function attendGroup(
  { tf }: Network,
  { q, k, v }: { q: Tensor3D; k: Tensor3D; v: Tensor3D },
  tables: { h: Tensor3D; w: Tensor3D },
): Tensor3D {
  return tf.tidy(() => {
    const [group, tokens, depth] = q.shape
    const side = tables.h.shape[0]
    const scores = multiply(tf, tf.mul(q, 1 / Math.sqrt(depth)), k, { b: true }) // [b, N, N]
    const square = tf.reshape(q, [group, side, side, depth]) // [b, y, x, d]
    const alongH = byRow(tf, tf.transpose(square, [1, 0, 2, 3]), tables.h) // [y, b, x, y']
    const alongW = byRow(tf, tf.transpose(square, [2, 0, 1, 3]), tables.w) // [x, b, y, x']
    const biasH = tf.reshape(tf.transpose(alongH, [1, 0, 2, 3]), [group, side, side, side, 1])
    const biasW = tf.reshape(tf.transpose(alongW, [1, 2, 0, 3]), [group, side, side, 1, side])
    const positioned = tf.add(tf.add(tf.reshape(scores, [group, side, side, side, side]), biasH), biasW)
    return multiply(tf, tf.softmax(tf.reshape(positioned, [group, tokens, tokens])), v) as Tensor as Tensor3D
  })
}

/** q [S, b, S, d] by a table [S, S', d] of the first axis → [S, b, S, S']. */
function byRow(tf: Network['tf'], q: Tensor, table: Tensor3D): Tensor {
  const [side, group, other, depth] = q.shape as [number, number, number, number]
  const product = tf.matMul(tf.reshape(q, [side, group * other, depth]), table, false, true)
  return tf.reshape(product, [side, group, other, side])
}

/** rel_pos [2S-1, d] → R [S, S, d] with R[i, j] = rel_pos[i - j + S - 1]. */
function positionTable(net: Network, name: string, side: number): Tensor3D {
  const { tf } = net
  const table = net.weight(name) as Tensor2D
  const places = Int32Array.from(
    { length: side * side },
    (_, i) => Math.floor(i / side) - (i % side) + side - 1,
  )
  const indices = tf.tensor1d(places, 'int32')
  // A lookup has no gradient on wasm; the product with one-hot rows has one everywhere.
  const looked = net.trains(name)
    ? tf.matMul(tf.cast(tf.oneHot(indices, 2 * side - 1), 'float32'), table)
    : tf.gather(table, indices)
  return tf.reshape(looked, [side, side, -1])
}
