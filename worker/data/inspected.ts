// The result of the inspection of one entry: usable, with its counts, or unusable, with the problem. preflight.ts inspects the
// entries, judge.ts derives the problems of the whole data set from them.
import type { Entry, Problem } from './dataset.ts'
import type { PictureHeader } from './picture-header.ts'

/** A usable entry and its counts. */
export interface Usable {
  readonly entry: Entry
  readonly digest: string
  readonly width: number
  readonly height: number
  readonly header: PictureHeader
  /** Pixels by label. */
  readonly pixels: ReadonlyMap<number, number>
  /** Whether the mask has no pixel of the selected labels. */
  readonly empty: boolean
  /** Whether the mask has such pixels, but none at the model's resolution. */
  readonly vanishes: boolean
  /** The brightest level of 0 to 255 that the model sees. */
  readonly brightest: number
}

/** An unusable entry. */
export interface Unusable {
  readonly entry: Entry
  readonly what: 'Unreadable' | 'OtherSize'
  readonly problem: Problem & { readonly file: string }
}
