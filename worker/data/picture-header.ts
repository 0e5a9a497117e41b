// Reads size, channels and depth from the first bytes of a PNG or JPEG file. Guarantees one pass without decoding a pixel, so
// that a too large picture is refused before it takes memory. Sources: PNG specification, 11.2.2 IHDR; ITU T.81, B.1.1.3 and
// B.2.2 (markers, frame header).
import { unusable } from './dataset.ts'

/** Pixels that a picture may have: 16,384 x 16,384. Beside it, the decoded RGB picture takes 805 MB. */
export const MOST_PIXELS = 2 ** 28

export interface PictureHeader {
  readonly format: 'PNG' | 'JPEG'
  /** As stored, before EXIF orientation. */
  readonly width: number
  readonly height: number
  /** Values a pixel: 1 grey or palette index, 2 grey and alpha, 3 RGB, 4 RGB and alpha, or CMYK in a JPEG. */
  readonly channels: number
  /** Bits a value. */
  readonly depth: number
  readonly palette: boolean
  readonly interlaced: boolean
}

const PNG_CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
const PALETTE = 3

/** The header in the first bytes. */
export function pictureFormat(content: Uint8Array): PictureHeader['format'] | undefined {
  if (content[0] === 0x89 && content[1] === 0x50 && content[2] === 0x4e && content[3] === 0x47) return 'PNG'
  if (content[0] === 0xff && content[1] === 0xd8) return 'JPEG'
  return undefined
}

/**
 * Reads the header of a PNG or JPEG file from its content, or from enough of its beginning.
 * Throws FedsamError BadData for an empty file, another format, a damaged header, no pixels, or more than MOST_PIXELS.
 */
export function readPictureHeader(content: Uint8Array): PictureHeader {
  const format = pictureFormat(content)
  if (content.length === 0) throw unusable('is empty', 'Replace it by an undamaged copy.')
  if (format === undefined) {
    throw unusable('is neither a PNG nor a JPEG picture', 'Convert it to PNG or JPEG, or take it away.')
  }
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  const header = format === 'PNG' ? pngHeader(view) : jpegHeader(view)
  if (header === undefined) throw damaged(format, 'its header is incomplete')
  const { width, height } = header
  if (width === 0 || height === 0) throw damaged(format, `its header says ${width}x${height} pixels`)
  if (width * height > MOST_PIXELS) {
    throw unusable(
      `is too large: ${width}x${height} pixels, and at most ${MOST_PIXELS} are read`,
      'Cut it into tiles or scale it down, its mask too, or take it away.',
    )
  }
  return header
}

/** The error for bytes that contradict the format. */
export function damaged(format: string, reason: string, cause?: unknown): Error {
  return unusable(`cannot be read as ${format}: ${reason}`, 'Replace it by an undamaged copy.', cause)
}

/** Bytes: signature 8, length 4, "IHDR", width 4, height 4, depth, colour type, compression, filter, interlace. */
function pngHeader(view: DataView): PictureHeader | undefined {
  if (view.byteLength < 29 || view.getUint32(12) !== 0x49484452) return undefined
  const colour = view.getUint8(25)
  const channels = PNG_CHANNELS[colour]
  if (channels === undefined) return undefined
  return {
    format: 'PNG',
    width: view.getUint32(16),
    height: view.getUint32(20),
    channels,
    depth: view.getUint8(24),
    palette: colour === PALETTE,
    interlaced: view.getUint8(28) !== 0,
  }
}

/** Walks the segments up to the frame header (SOF): precision 1, height 2, width 2, components 1. */
function jpegHeader(view: DataView): PictureHeader | undefined {
  let at = 2
  while (at + 4 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return undefined
    const marker = view.getUint8(at + 1)
    if (marker === 0xff) at += 1
    else if (isBare(marker)) at += 2
    else if (isFrame(marker)) return frameHeader(view, at + 4)
    else at += 2 + Math.max(view.getUint16(at + 2), 2)
  }
  return undefined
}

/** Markers without a segment: TEM and the restart markers. */
function isBare(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)
}

/** SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC). */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
}

function frameHeader(view: DataView, at: number): PictureHeader | undefined {
  if (at + 6 > view.byteLength) return undefined
  return {
    format: 'JPEG',
    width: view.getUint16(at + 3),
    height: view.getUint16(at + 1),
    channels: view.getUint8(at + 5),
    depth: view.getUint8(at),
    palette: false,
    interlaced: false,
  }
}
