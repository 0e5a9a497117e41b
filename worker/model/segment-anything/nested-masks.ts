// The order in which mask logits leave the decoder: each cell of the grid holds its 4×4 pixels as 2×2 blocks of 2×2.
// Transposed convolutions of stride 2 make this order by themselves, so that training needs no reordering at all: the
// ground truth is reordered once instead. Pure arithmetic on plain arrays.

/** For each place in nested order, the index of its pixel in the row-major mask of side 4·grid. */
export function nestedOrder(grid: number): Uint32Array {
  const side = 4 * grid
  return Uint32Array.from({ length: side * side }, (_, place) => {
    const cell = place >> 4
    const bits = (place & 15).toString(2).padStart(4, '0')
    const [y1, x1, y2, x2] = [...bits].map(Number) as [number, number, number, number]
    const y = 4 * Math.floor(cell / grid) + 2 * y1 + y2
    const x = 4 * (cell % grid) + 2 * x1 + x2
    return y * side + x
  })
}

/** Row-major masks [n, 4G, 4G] → nested [n, G·G·16]. */
export function toNested(masks: ArrayLike<number>, order: Uint32Array): Float32Array {
  const nested = new Float32Array(masks.length)
  for (let start = 0; start < masks.length; start += order.length)
    for (let i = 0; i < order.length; i++) nested[start + i] = masks[start + order[i]!]!
  return nested
}

/** Nested logits [n, G·G·16, M] (mask last) → row-major masks [n, M, 4G, 4G]. */
export function fromNested(
  nested: Float32Array,
  order: Uint32Array,
  masks: number,
): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(nested.length)
  const size = order.length
  for (let i = 0; i < nested.length; i++) {
    const mask = i % masks
    const place = Math.floor(i / masks)
    const prompt = Math.floor(place / size)
    rows[(prompt * masks + mask) * size + order[place % size]!] = nested[i]!
  }
  return rows
}
