// The types of this folder: the specification of a data set, its entries, and its problems. listing.ts finds the entries,
// preflight.ts inspects them, samples.ts loads them.
import { FedsamError } from '#protocol/errors.ts'

/** A partition's `dataset`, with defaults filled in. */
export interface DatasetSpec {
  /** The root as the user wrote it, for messages. Functions get the resolved folder as another argument. */
  readonly root: string
  readonly layout: 'Folders' | 'COCO'
  readonly imageSubfolder: string
  readonly annotationSubfolder: string
  readonly annotationsFile: string
  /** Mask values, or COCO categories, that are the object; empty: every non-zero value, every category. */
  readonly labels: readonly number[]
  readonly groupPattern: string
  readonly heldOutFraction: number
}

/**
 * One fault, or one fact that changes what the model sees. `file` is relative to the root; a problem of several files
 * names them in its message. Fatal ones keep the partition from training.
 */
export interface Problem {
  readonly file?: string
  readonly field?: keyof DatasetSpec
  readonly message: string
  readonly remedy: string
  readonly fatal: boolean
}

/** One outlined object of a COCO file: polygons [x1, y1, x2, y2, …], or runs down the columns, zeros first. */
export type CocoRegion =
  | { readonly kind: 'Polygons'; readonly polygons: readonly (readonly number[])[] }
  | {
      readonly kind: 'Runs'
      readonly size: readonly [number, number]
      readonly counts: string | readonly number[]
    }

export interface CocoObject {
  /** From 0 to 65,534. */
  readonly category: number
  readonly region: CocoRegion
}

/** The source of an image's mask: a mask file, or the objects that a COCO file outlines in it. */
export type MaskSource =
  | { readonly kind: 'File'; readonly file: string }
  | {
      readonly kind: 'Objects'
      readonly file: string
      readonly width: number
      readonly height: number
      readonly objects: readonly CocoObject[]
    }

/** An image and its mask. Files are relative to the root, with "/" between folders. */
export interface Entry {
  readonly stem: string
  readonly image: string
  readonly mask: MaskSource
}

/** The entries of a data set, sorted by stem in natural order. */
export interface Listing {
  readonly entries: readonly Entry[]
  readonly unpairedImages: readonly string[]
  readonly unpairedMasks: readonly string[]
  readonly problems: readonly Problem[]
}

/** A mask as its file holds it: one value per pixel, [height, width]. */
export interface LabelMap {
  readonly width: number
  readonly height: number
  readonly values: Uint8Array | Uint16Array
  /**
   * The difference between a value and its label. 0 for a mask file: value 0 is the background. 1 for COCO, whose categories count
   * from 0: value 0 is no object, value 1 is category 0.
   */
  readonly offset: 0 | 1
}

/** A listing without entries, with the problem that explains it. */
export function emptyListing(problem: Problem): Listing {
  return { entries: [], unpairedImages: [], unpairedMasks: [], problems: [problem] }
}

/** A file that cannot be used: `message` continues a sentence that begins with the file's name. */
export function unusable(message: string, remedy: string, cause?: unknown): FedsamError {
  return new FedsamError('BadData', message, { remedy, cause })
}
