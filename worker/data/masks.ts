// Mask files to label maps: palette PNGs keep their indices (a picture library would expand them to colours), 1 to 16
// bits per pixel. It never guesses: a file without unambiguous labels is refused with the reason. Memory is bounded
// before anything is decoded: by the header's size, and by the size that the compressed data may unfold to.
import { inflateSync } from 'node:zlib'
import { decode } from 'fast-png'
import { type LabelMap, unusable } from './dataset.ts'
import { damaged, type PictureHeader, pictureFormat, readPictureHeader } from './picture-header.ts'

/** Bytes that a decoded mask may have: MOST_PIXELS at 8 bits. Decoding holds about three times as much. */
const MOST_BYTES = 2 ** 28

const REDRAW = 'Save the mask as a grey or palette PNG of 1, 2, 4, 8 or 16 bits whose values are the labels.'

/**
 * Decodes the content of a PNG mask.
 * Throws FedsamError BadData for JPEG (its compression changes values), true colours, other formats, damage, and size.
 */
export function decodeMask(content: Uint8Array): LabelMap {
  const format = pictureFormat(content)
  if (format === 'JPEG') {
    throw unusable('is a JPEG, whose lossy compression changes label values at the edges', REDRAW)
  }
  if (format === undefined) throw unusable('is not a PNG', REDRAW)
  const header = readPictureHeader(content)
  const { width, height, interlaced, depth } = header
  // The decoder returns wrong pixels for interlaced images of fewer than 8 bits.
  if (interlaced && depth < 8) {
    throw unusable('is an interlaced PNG of fewer than 8 bits per pixel, which is not supported', REDRAW)
  }
  if (rowBytes(header) * height > MOST_BYTES) {
    throw unusable(
      `is too large: ${width}x${height} pixels of ${header.channels * depth} bits, and at most ${MOST_BYTES} bytes are read`,
      'Save the mask as a grey PNG of 8 bits, or cut it and its image into tiles.',
    )
  }
  const png = decodePng(content, header)
  const values = png.depth < 8 ? unpack(png) : labelChannel(png)
  return { width, height, values, offset: 0 }
}

type Png = ReturnType<typeof decode>

function rowBytes({ width, channels, depth }: PictureHeader): number {
  return Math.ceil((width * channels * depth) / 8)
}

function decodePng(content: Uint8Array, header: PictureHeader): Png {
  try {
    const kept = pixelChunks(content)
    checkUnfolded(kept, header)
    const png = decode(Buffer.concat([content.subarray(0, 8), ...kept.map(({ whole }) => whole)]), {
      checkCrc: true,
    })
    const samples = png.depth < 8 ? Math.ceil((png.width * png.depth) / 8) : png.width * png.channels
    if (png.data.length !== samples * png.height) throw new Error('pixel data ends early')
    return png
  } catch (cause) {
    throw damaged('PNG', cause instanceof Error ? cause.message : String(cause), cause)
  }
}

interface Chunk {
  readonly type: string
  readonly data: Uint8Array
  /** With length, type and checksum. */
  readonly whole: Uint8Array
}

/** The chunks of header, pixels and end. The others (texts, profiles, palettes) do not concern labels. */
function pixelChunks(content: Uint8Array): Chunk[] {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  const chunks: Chunk[] = []
  for (let at = 8; at < content.length; ) {
    if (at + 12 > content.length) throw new Error('it ends early')
    const end = at + 12 + view.getUint32(at)
    if (end > content.length) throw new Error('it ends early')
    const type = String.fromCharCode(...content.subarray(at + 4, at + 8))
    const chunk = { type, data: content.subarray(at + 8, end - 4), whole: content.subarray(at, end) }
    if (['IHDR', 'IDAT', 'IEND'].includes(type)) chunks.push(chunk)
    if (type === 'IEND') break
    at = end
  }
  if (chunks.filter(({ type }) => type === 'IHDR').length !== 1) throw new Error('it has several headers')
  return chunks
}

/** Bytes that an encoder may write after the pixels; they are ignored. */
const EXCESS_BYTES = 65_536

/**
 * Throws where the compressed pixels unfold to more than the header's size needs, which the decoder would keep, or to less,
 * which it would fill with zeros.
 */
function checkUnfolded(chunks: readonly Chunk[], header: PictureHeader): void {
  const compressed = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data))
  const needed = header.interlaced ? interlacedBytes(header) : (rowBytes(header) + 1) * header.height
  const { length } = inflateSync(compressed, { maxOutputLength: needed + EXCESS_BYTES })
  if (length < needed) throw new Error(`its pixels have ${length} bytes in place of ${needed}`)
}

/** First column and row, and their steps, of the seven passes of an interlaced PNG (Adam7). */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

/** Bytes of the seven passes: each row has a filter byte and its pixels; a pass without pixels has no rows. */
function interlacedBytes(header: PictureHeader): number {
  const bytes = PASSES.map(([x, y, across, down]) => {
    const width = Math.ceil((header.width - x) / across)
    const height = Math.ceil((header.height - y) / down)
    return width > 0 && height > 0 ? (rowBytes({ ...header, width }) + 1) * height : 0
  })
  return bytes.reduce((sum, count) => sum + count, 0)
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
      throw unusable('is a colour picture, so its labels are ambiguous', REDRAW)
    }
    values[i] = data[at]!
  }
  return values
}

/** 1 where a pixel's label is one of `labels` (or is an object at all, where `labels` is empty), else 0; [height, width]. */
export function selectLabels({ values, offset }: LabelMap, labels: readonly number[]): Uint8Array {
  const chosen = new Uint8Array(65_536).fill(labels.length === 0 ? 1 : 0)
  chosen[0] = 0
  for (const label of labels) chosen[label + offset] = 1
  const mask = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i++) mask[i] = chosen[values[i]!]!
  return mask
}
