// Resizes pictures in plain typed arrays with the numbers of PyTorch: 8-bit bilinear with anti-aliasing, float bilinear, and
// nearest. Guarantees equal 8-bit results on every machine, by fixed-point weights and two rounded passes.
// Sources: PyTorch aten/src/ATen/native/cpu/UpSampleKernel.cpp and aten/src/ATen/native/UpSample.h.

/** A height and a width in pixels, in this order as in Hugging Face's processor. */
export type Size = readonly [height: number, width: number]

/** The taps of one axis: output i reads `taps` inputs from first[i] on, with weights[i·taps…] / 2^precision. */
interface FixedPointAxis {
  readonly first: Int32Array
  readonly weights: Int32Array
  readonly taps: number
  readonly precision: number
}

/** Triangle-filter weights of one axis, widened when shrinking, rounded to 16 bits at the finest common precision. */
function triangleAxis(input: number, output: number): FixedPointAxis {
  const scale = input / output
  const widening = Math.max(scale, 1)
  const taps = Math.ceil(widening) * 2 + 1
  const first = new Int32Array(output)
  const exact = new Float64Array(output * taps)
  for (let i = 0; i < output; i++) {
    const centre = scale * (i + 0.5)
    const from = Math.max(Math.trunc(centre - widening + 0.5), 0)
    const count = Math.min(Math.trunc(centre + widening + 0.5), input) - from
    first[i] = from
    let total = 0
    for (let j = 0; j < count; j++) {
      const weight = Math.max(0, 1 - Math.abs((j + from - centre + 0.5) / widening))
      exact[i * taps + j] = weight
      total += weight
    }
    for (let j = 0; j < count; j++) exact[i * taps + j]! /= total
  }
  const largest = exact.reduce((a, b) => Math.max(a, b), 0)
  let precision = 0
  while (precision < 22 && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 32_768) precision += 1
  return {
    first,
    weights: Int32Array.from(exact, (w) => Math.trunc(0.5 + w * 2 ** precision)),
    taps,
    precision,
  }
}

/** The layout of one axis in memory: `lines` runs of samples `step` apart; `lineStart` finds a run's first sample. */
interface Layout {
  readonly lines: number
  readonly step: number
  readonly sourceStart: (line: number) => number
  readonly targetStart: (line: number) => number
}

function filterAxis(source: Uint8Array, target: Uint8Array, axis: FixedPointAxis, layout: Layout): void {
  const { first, weights, taps, precision } = axis
  const half = 1 << (precision - 1)
  const { step } = layout
  for (let line = 0; line < layout.lines; line++) {
    const from = layout.sourceStart(line)
    let to = layout.targetStart(line)
    for (let i = 0; i < first.length; i++) {
      let sum = half
      let at = from + first[i]! * step
      for (let w = i * taps; w < (i + 1) * taps; w++) {
        const weight = weights[w]!
        if (weight !== 0) sum += weight * source[at]!
        at += step
      }
      target[to] = Math.min(sum >> precision, 255)
      to += step
    }
  }
}

/**
 * Resizes interleaved 8-bit pixels [height, width, channels] bilinearly, anti-aliased when shrinking: equal to
 * torchvision's resize of a uint8 tensor (torch upsample_bilinear2d_aa).
 */
export function resizeAntialiased(pixels: Uint8Array, from: Size, to: Size, channels: number): Uint8Array {
  const [height, width] = from
  const [newHeight, newWidth] = to
  let wide = pixels
  if (newWidth !== width) {
    wide = new Uint8Array(height * newWidth * channels)
    filterAxis(pixels, wide, triangleAxis(width, newWidth), {
      lines: height * channels,
      step: channels,
      sourceStart: (line) => Math.floor(line / channels) * width * channels + (line % channels),
      targetStart: (line) => Math.floor(line / channels) * newWidth * channels + (line % channels),
    })
  }
  if (newHeight === height) return wide
  const target = new Uint8Array(newHeight * newWidth * channels)
  filterAxis(wide, target, triangleAxis(height, newHeight), {
    lines: newWidth * channels,
    step: newWidth * channels,
    sourceStart: (line) => line,
    targetStart: (line) => line,
  })
  return target
}

/** Two neighbours and the share of the second, per output index, half-pixel centres, in float32 as torch computes it. */
function linearAxis(
  input: number,
  output: number,
): { low: Int32Array; high: Int32Array; share: Float32Array } {
  const scale = Math.fround(input / output)
  const low = new Int32Array(output)
  const high = new Int32Array(output)
  const share = new Float32Array(output)
  for (let i = 0; i < output; i++) {
    const at = Math.max(Math.fround(Math.fround(scale * (i + 0.5)) - 0.5), 0)
    low[i] = Math.min(Math.floor(at), input - 1)
    high[i] = Math.min(low[i]! + 1, input - 1)
    share[i] = Math.min(Math.max(at - low[i]!, 0), 1)
  }
  return { low, high, share }
}

/**
 * Resizes floats [height, width] bilinearly with half-pixel centres and no anti-aliasing: torch interpolate
 * (mode bilinear, align_corners false). Only the first `keep` rows and columns of the result are computed.
 */
export function resizeBilinear(values: Float32Array, from: Size, to: Size, keep: Size = to): Float32Array {
  const width = from[1]
  const rows = linearAxis(from[0], to[0])
  const columns = linearAxis(width, to[1])
  const target = new Float32Array(keep[0] * keep[1])
  for (let y = 0; y < keep[0]; y++) {
    const top = rows.low[y]! * width
    const bottom = rows.high[y]! * width
    const down = rows.share[y]!
    for (let x = 0; x < keep[1]; x++) {
      const left = columns.low[x]!
      const right = columns.high[x]!
      const across = columns.share[x]!
      const upper = values[top + left]! * (1 - across) + values[top + right]! * across
      const lower = values[bottom + left]! * (1 - across) + values[bottom + right]! * across
      target[y * keep[1] + x] = upper * (1 - down) + lower * down
    }
  }
  return target
}

/** The input index that each output index copies: the one under its centre (torch "nearest-exact", Pillow's nearest). */
function nearestAxis(input: number, output: number): Int32Array {
  const scale = Math.fround(input / output)
  return Int32Array.from({ length: output }, (_, i) =>
    Math.min(Math.floor(Math.fround(Math.fround(i + 0.5) * scale)), input - 1),
  )
}

/** Resizes labels [height, width] without mixing values. */
export function resizeNearest(labels: Uint8Array, from: Size, to: Size): Uint8Array {
  const rows = nearestAxis(from[0], to[0])
  const columns = nearestAxis(from[1], to[1])
  const target = new Uint8Array(to[0] * to[1])
  for (let y = 0; y < to[0]; y++) {
    const row = rows[y]! * from[1]
    for (let x = 0; x < to[1]; x++) target[y * to[1] + x] = labels[row + columns[x]!]!
  }
  return target
}
