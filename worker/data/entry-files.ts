// Reads the two sources of an entry: the image as RGB pixels, the mask as a label map. Each fault names its file.
// Preflight and training both read through this file, so they see the same pixels.
import { canonicalJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { drawObjects } from './coco.ts'
import type { Entry, LabelMap } from './dataset.ts'
import { decodeImage, type RgbImage } from './images.ts'
import { decodeMask } from './masks.ts'
import { type PictureHeader, readPictureHeader } from './picture-header.ts'
import { readBytes } from './regular-file.ts'
import { MOST_PICTURE_BYTES, readFileWithin, withFile } from './root.ts'

/** The result of reading an entry. `file` is the file at fault, `message` a sentence about it. */
export type EntryContent =
  | {
      readonly kind: 'Read'
      readonly header: PictureHeader
      readonly image: RgbImage
      readonly map: LabelMap
      /** SHA-256 of the digests of both sources. */
      readonly digest: string
    }
  | {
      readonly kind: 'Unreadable' | 'OtherSize'
      readonly file: string
      readonly message: string
      readonly remedy: string
    }

type Fault = Exclude<EntryContent, { kind: 'Read' }>

interface Size {
  readonly width: number
  readonly height: number
}

/** Reads an entry of the data set in `folder`. Of overlapping objects, those of `labels` cover the others. */
export async function readEntry(
  entry: Entry,
  folder: string,
  labels: readonly number[],
): Promise<EntryContent> {
  const { mask } = entry
  const read = (file: string) => readFileWithin(folder, file, MOST_PICTURE_BYTES)
  const image = await attempt(entry.image, entry.image, async () => {
    const content = await read(entry.image)
    const pixels = await decodeImage(content)
    return { header: readPictureHeader(content), pixels, digest: sha256(content) }
  })
  if ('kind' in image) return image
  // Compare the size of outlined objects before drawing them, so that a wrong size takes no memory.
  if (mask.kind === 'Objects' && !sameSize(mask, image.pixels)) return otherSize(entry, mask, image.pixels)
  const map = await attempt(mask.file, maskName(entry), async () => {
    if (mask.kind === 'Objects')
      return { labels: drawObjects(mask, labels), digest: sha256(canonicalJson(mask)) }
    const content = await read(mask.file)
    return { labels: decodeMask(content), digest: sha256(content) }
  })
  if ('kind' in map) return map
  if (!sameSize(map.labels, image.pixels)) return otherSize(entry, map.labels, image.pixels)
  const digest = sha256(`${image.digest} ${map.digest}`)
  return { kind: 'Read', header: image.header, image: image.pixels, map: map.labels, digest }
}

/** The name of an entry's mask in messages. */
function maskName({ mask, image }: Entry): string {
  return mask.kind === 'File' ? mask.file : `the annotations of ${image} in ${mask.file}`
}

function sameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height
}

async function attempt<T extends object>(
  file: string,
  name: string,
  work: () => Promise<T>,
): Promise<T | Fault> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    return { kind: 'Unreadable', file, message: `${name} ${error.message}`, remedy: error.remedy }
  }
}

function otherSize(entry: Entry, mask: Size, image: Size): Fault {
  const message = `${maskName(entry)}: ${mask.width}x${mask.height} pixels, but its image has ${image.width}x${image.height}`
  const file = entry.mask.kind === 'File' ? entry.mask.file : entry.image
  return { kind: 'OtherSize', file, message, remedy: 'Export the mask at the size of its upright image.' }
}

/** Bytes that are searched for a header; after large metadata it may begin later. */
const HEADER_BYTES = 2 ** 16

/** Bytes that reading the entry takes at its peak, by the headers of its files; infinite where a header does not say. */
export async function memoryOfEntry(entry: Entry, folder: string): Promise<number> {
  const { mask } = entry
  const image = await memoryOfPicture(entry.image, folder, 2 * 3)
  if (mask.kind === 'File') return image + (await memoryOfPicture(mask.file, folder, 4))
  return image + 3 * mask.width * mask.height
}

async function memoryOfPicture(file: string, folder: string, bytesPerPixel: number): Promise<number> {
  try {
    return await withFile(folder, file, MOST_PICTURE_BYTES, async ({ handle, size }) => {
      const { width, height } = readPictureHeader(await readBytes(handle, 0, Math.min(size, HEADER_BYTES)))
      return size + width * height * bytesPerPixel
    })
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    return Number.POSITIVE_INFINITY
  }
}
