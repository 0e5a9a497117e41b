// PNG and JPEG files to 8-bit RGB pixels, upright: EXIF orientation is applied, colour profiles are not (Pillow does not
// apply them either), grey becomes RGB, transparency is dropped. Reading the file is left to the caller.
import sharp from 'sharp'
import { unusable } from './dataset.ts'

/** data is [height, width, 3]. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** File name endings of images, in lower case. */
export const IMAGE_EXTENSIONS: readonly string[] = ['png', 'jpg', 'jpeg']

/**
 * Decodes the content of a PNG or JPEG file, whatever its name.
 * Throws FedsamError BadData for another format, a truncated or a damaged file.
 */
export async function decodeImage(content: Uint8Array): Promise<RgbImage> {
  const format = pictureFormat(content)
  if (format === undefined) {
    throw unusable('is neither a PNG nor a JPEG picture', 'Convert it to PNG or JPEG, or take it away.')
  }
  try {
    const { data, info } = await sharp(content, { failOn: 'truncated', ignoreIcc: true })
      .autoOrient()
      .removeAlpha()
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { width: info.width, height: info.height, data: asRgb(data, info.channels) }
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw unusable(`cannot be read as ${format}: ${reason}`, 'Replace it by an undamaged copy.', cause)
  }
}

/** What the first bytes say. */
export function pictureFormat(content: Uint8Array): 'PNG' | 'JPEG' | undefined {
  if (content[0] === 0x89 && content[1] === 0x50 && content[2] === 0x4e && content[3] === 0x47) return 'PNG'
  if (content[0] === 0xff && content[1] === 0xd8) return 'JPEG'
  return undefined
}

function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data)
  const rgb = new Uint8Array((data.length / channels) * 3)
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * channels]!
  return rgb
}
