// Loads samples: an image with its 0/1 mask at the original size, and the box prompts that the recipe draws from masks. Loads
// only entries that the preflight found usable; worker/model converts to the model's sizes.
import { FedsamError } from '#protocol/errors.ts'
import type { DatasetSpec } from './dataset.ts'
import { readEntry } from './entry-files.ts'
import type { RgbImage } from './images.ts'
import { listEntries } from './listing.ts'
import { selectLabels } from './masks.ts'
import type { Random } from './random.ts'

/** One image and its object. */
export interface Sample {
  readonly stem: string
  readonly width: number
  readonly height: number
  /** 8-bit RGB, [height, width, 3]. */
  readonly image: RgbImage
  /** 0/1, [height, width]. */
  readonly mask: Uint8Array
}

/** x1, y1, x2, y2 in pixels. */
export type Box = readonly [number, number, number, number]

/**
 * Opens a data set: the answer loads one sample by its stem, so that large sets need not fit in memory.
 * Throws FedsamError BadData for an unknown stem or an unreadable file.
 */
export async function openSamples(
  spec: DatasetSpec,
  folder: string,
): Promise<(stem: string) => Promise<Sample>> {
  const { entries } = await listEntries(spec, folder)
  const byStem = new Map(entries.map((entry) => [entry.stem, entry]))
  return async (stem) => {
    const entry = byStem.get(stem)
    if (entry === undefined) throw changed(`${stem} is no longer in ${spec.root}`)
    const content = await readEntry(entry, folder, spec.labels)
    if (content.kind !== 'Read') throw changed(content.message)
    const { image, map } = content
    const { width, height } = image
    return { stem, width, height, image, mask: selectLabels(map, spec.labels) }
  }
}

/** Loads samples in the order of `stems`. */
export async function loadSamples(
  spec: DatasetSpec,
  folder: string,
  stems: readonly string[],
): Promise<Sample[]> {
  const load = await openSamples(spec, folder)
  const samples: Sample[] = []
  for (const stem of stems) samples.push(await load(stem))
  return samples
}

function changed(message: string): FedsamError {
  return new FedsamError('BadData', message, {
    remedy: 'The data changed after the preflight: stop changing it, and start the run again.',
  })
}

/**
 * The smallest and largest pixel index of a 0/1 mask in x and y (the recipe's box: x2, y2 are inclusive).
 * Undefined for an empty mask.
 */
export function tightBox(mask: Uint8Array, width: number): Box | undefined {
  let [x1, y1, x2, y2] = [width, mask.length, -1, -1]
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue
    const x = i % width
    const y = Math.floor(i / width)
    x1 = Math.min(x1, x)
    x2 = Math.max(x2, x)
    y1 = Math.min(y1, y)
    y2 = y
  }
  return x2 < 0 ? undefined : [x1, y1, x2, y2]
}

/**
 * Moves each side of a box outwards by a seeded whole number from 0 to pixels − 1, clipped to [0, width] and
 * [0, height] as the recipe clips (the far sides may reach the width and height themselves). 0 pixels: unchanged.
 */
export function jitterBox(
  box: Box,
  pixels: number,
  random: Random,
  size: { readonly width: number; readonly height: number },
): Box {
  if (pixels < 1) return box
  const left = random.below(pixels)
  const right = random.below(pixels)
  const top = random.below(pixels)
  const bottom = random.below(pixels)
  return [
    Math.max(0, box[0] - left),
    Math.max(0, box[1] - top),
    Math.min(size.width, box[2] + right),
    Math.min(size.height, box[3] + bottom),
  ]
}
