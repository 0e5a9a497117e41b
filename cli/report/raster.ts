// Encodes the pictures of a report as small PNG files in data: URIs. It shrinks large images. A mask becomes a layer that is
// transparent outside the mask, so that the page can show it over the image.
import sharp from 'sharp'
import type { RgbImage } from '#worker/data/images.ts'

/** The longest side of a picture in the report, in pixels. */
const LONGEST = 320

export type Colour = readonly [red: number, green: number, blue: number, alpha: number]

/** A 0/1 mask, [height, width]. */
export interface Mask {
  readonly width: number
  readonly height: number
  readonly values: Uint8Array
}

/** Width and height in the report. */
export function reportSize({
  width,
  height,
}: {
  readonly width: number
  readonly height: number
}): [number, number] {
  const scale = Math.min(1, LONGEST / Math.max(width, height))
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))]
}

/** The image itself; grey where all its pixels are grey. */
export async function imageUri(image: RgbImage): Promise<string> {
  const { width, height, data } = image
  const [toWidth, toHeight] = reportSize(image)
  const picture = sharp(data, { raw: { width, height, channels: 3 } }).resize(toWidth, toHeight, {
    fit: 'fill',
  })
  const grey = data.every((value, i) => value === data[i - (i % 3)])
  return dataUri(
    await (grey ? picture.toColourspace('b-w') : picture).png({ compressionLevel: 9 }).toBuffer(),
  )
}

/** A layer: `fill` within the mask, `line` along the inner edge of `outline`. */
export async function layerUri(layers: {
  readonly fill?: { readonly mask: Mask; readonly colour: Colour }
  readonly outline?: { readonly mask: Mask; readonly colour: Colour }
}): Promise<string> {
  const { fill, outline } = layers
  const [width, height] = reportSize((fill ?? outline)!.mask)
  const pixels = new Uint8Array(width * height * 4)
  const paint = (mask: Uint8Array, colour: Colour): void => {
    for (let i = 0; i < mask.length; i += 1) if (mask[i] !== 0) pixels.set(colour, 4 * i)
  }
  if (fill !== undefined) paint(shrink(fill.mask, width, height), fill.colour)
  if (outline !== undefined) paint(edge(shrink(outline.mask, width, height), width), outline.colour)
  return dataUri(
    await sharp(pixels, { raw: { width, height, channels: 4 } })
      .png({ compressionLevel: 9 })
      .toBuffer(),
  )
}

/** The nearest pixel of the mask for each of the report. */
function shrink(mask: Mask, width: number, height: number): Uint8Array {
  const small = new Uint8Array(width * height)
  for (let y = 0; y < height; y += 1) {
    const row = Math.floor(((y + 0.5) * mask.height) / height) * mask.width
    for (let x = 0; x < width; x += 1) {
      small[y * width + x] = mask.values[row + Math.floor(((x + 0.5) * mask.width) / width)]!
    }
  }
  return small
}

/** Pixels of the mask with a neighbour above, below or beside that is not of it. */
export function edge(mask: Uint8Array, width: number): Uint8Array {
  return mask.map((value, i) => {
    if (value === 0) return 0
    const x = i % width
    const inside = x > 0 && x < width - 1 && mask[i - 1] && mask[i + 1] && mask[i - width] && mask[i + width]
    return inside ? 0 : 1
  })
}

function dataUri(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`
}
