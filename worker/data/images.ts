// PNG and JPEG files to 8-bit RGB pixels, upright, with the numbers of Pillow's convert('RGB'), and so of Hugging Face's
// recipe: EXIF orientation is applied, colour profiles and gamma are not, grey becomes RGB, transparency is dropped.
// Of 16 bits it keeps the high byte. The caller reads the file.
import sharp from 'sharp'
import { unusable } from './dataset.ts'
import { damaged, MOST_PIXELS, readPictureHeader } from './picture-header.ts'

/** data is [height, width, 3]. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** File name endings of images, in lower case. */
export const IMAGE_EXTENSIONS: readonly string[] = ['png', 'jpg', 'jpeg']

/**
 * Decodes the content of a PNG or JPEG file, and ignores its name.
 * Throws FedsamError BadData for another format, a picture of more than MOST_PIXELS, a truncated or a damaged file.
 */
export async function decodeImage(content: Uint8Array): Promise<RgbImage> {
  const header = readPictureHeader(content)
  const { format, channels, depth } = header
  if (format === 'JPEG' && depth !== 8) {
    throw unusable(`is a JPEG of ${depth} bits a channel, which is not supported`, 'Save it as PNG.')
  }
  const cmyk = format === 'JPEG' && channels === 4
  const picture = sharp(content, { failOn: 'truncated', ignoreIcc: true, limitInputPixels: MOST_PIXELS })
  const upright = picture.autoOrient()
  const pixels = cmyk
    ? upright.pipelineColourspace('cmyk').toColourspace('cmyk')
    : upright.removeAlpha().toColourspace('srgb')
  try {
    const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true })
    return { width: info.width, height: info.height, data: asRgb(data, info.channels) }
  } catch (cause) {
    // The decoder's own message depends on other images that it decodes at the same time.
    throw damaged(format, 'it is damaged or incomplete', cause)
  }
}

function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length)
  if (channels === 4) return rgbFromCmyk(data)
  const rgb = new Uint8Array((data.length / channels) * 3)
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * channels]!
  return rgb
}

/** CMYK to RGB as Pillow converts it (libImaging/Convert.c, cmyk2rgb): white less the ink, times white less black. */
function rgbFromCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3)
  for (let from = 0, to = 0; from < cmyk.length; from += 4, to += 3) {
    const white = 255 - cmyk[from + 3]!
    for (let channel = 0; channel < 3; channel++) {
      rgb[to + channel] = white - dividedBy255(cmyk[from + channel]! * white)
    }
  }
  return rgb
}

/** A product of two bytes over 255, rounded, by Pillow's integer form MULDIV255. */
function dividedBy255(product: number): number {
  const rounded = product + 128
  return ((rounded >> 8) + rounded) >> 8
}
