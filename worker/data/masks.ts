// Mask files to label maps: palette PNGs keep their indices (a picture library would expand them to colours), 1 to 16
// bits per pixel. Promises never to guess: what has no unambiguous labels is refused with the reason.
import { decode } from 'fast-png'
import { type LabelMap, unusable } from './dataset.ts'
import { pictureFormat } from './images.ts'

const REDRAW = 'Save the mask as a grey or palette PNG of 1, 2, 4, 8 or 16 bits whose values are the labels.'

/**
 * Decodes the content of a PNG mask.
 * Throws FedsamError BadData for JPEG (its compression changes values), true colours, other formats and damage.
 */
export function decodeMask(content: Uint8Array): LabelMap {
  const format = pictureFormat(content)
  if (format === 'JPEG') {
    throw unusable('is a JPEG, whose lossy compression changes label values at the edges', REDRAW)
  }
  if (format === undefined) throw unusable('is not a PNG', REDRAW)
  // IHDR: bit depth at byte 24, interlace method at byte 28. The decoder mixes up interlaced pixels below 8 bits.
  if (content[28] === 1 && content[24]! < 8) {
    throw unusable('is an interlaced PNG of fewer than 8 bits per pixel, which is not supported', REDRAW)
  }
  const png = decodePng(content)
  const { width, height } = png
  if (png.depth < 8) return { width, height, values: unpack(png) }
  return { width, height, values: labelChannel(png) }
}

type Png = ReturnType<typeof decode>

function decodePng(content: Uint8Array): Png {
  try {
    const png = decode(content, { checkCrc: true })
    const samples = png.depth < 8 ? Math.ceil((png.width * png.depth) / 8) : png.width * png.channels
    if (png.data.length !== samples * png.height) throw new Error('pixel data ends early')
    return png
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw unusable(`cannot be read as PNG: ${reason}`, 'Replace it by an undamaged copy.', cause)
  }
}

/** Pixels of 1, 2 or 4 bits: rows start at whole bytes, the leftmost pixel in the highest bits. */
function unpack({ width, height, depth, data }: Png): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8)
  const perByte = 8 / depth
  const values = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = data[y * rowBytes + Math.floor(x / perByte)]!
      values[y * width + x] = (byte >> (8 - depth * ((x % perByte) + 1))) & ((1 << depth) - 1)
    }
  }
  return values
}

/** The one channel that holds labels: the only one, the one beside alpha, or any of three equal ones. */
function labelChannel({ data, channels, depth }: Png): Uint8Array | Uint16Array {
  const size = data.length / channels
  const values = depth === 16 ? new Uint16Array(size) : new Uint8Array(size)
  for (let i = 0; i < size; i++) {
    const at = i * channels
    if (channels >= 3 && (data[at] !== data[at + 1] || data[at] !== data[at + 2])) {
      throw unusable('is a colour picture, so its labels cannot be told', REDRAW)
    }
    values[i] = data[at]!
  }
  return values
}

/** 1 where a pixel's label is one of `labels` (or is not 0, where `labels` is empty), else 0; [height, width]. */
export function selectLabels(map: LabelMap, labels: readonly number[]): Uint8Array {
  const chosen = new Set(labels)
  return Uint8Array.from(map.values, (value) =>
    (chosen.size === 0 ? value !== 0 : chosen.has(value)) ? 1 : 0,
  )
}
