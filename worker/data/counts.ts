// Counts of a data set: pixels per mask value, images per label and size. Pure; judge.ts decides what they mean.
import type { LabelMap } from './dataset.ts'

/** A label that occurs in the masks: its pixels over all images, and the images that contain it. */
export interface LabelCount {
  /** The value of a mask file, or a COCO category; -1 counts the pixels without a COCO object. */
  readonly label: number
  readonly pixels: number
  readonly images: number
}

export interface SizeCount {
  readonly width: number
  readonly height: number
  readonly images: number
}

/** The pixels of each label of a mask. */
export function histogram({ values, offset }: LabelMap): Map<number, number> {
  const counts = new Uint32Array(values instanceof Uint8Array ? 256 : 65_536)
  for (const value of values) counts[value]! += 1
  const pixels = new Map<number, number>()
  counts.forEach((count, value) => {
    if (count > 0) pixels.set(value - offset, count)
  })
  return pixels
}

/** Sums over images, sorted by label. */
export function countLabels(histograms: readonly ReadonlyMap<number, number>[]): LabelCount[] {
  const totals = new Map<number, { pixels: number; images: number }>()
  for (const pixels of histograms) {
    for (const [label, count] of pixels) {
      const total = totals.get(label) ?? { pixels: 0, images: 0 }
      totals.set(label, { pixels: total.pixels + count, images: total.images + 1 })
    }
  }
  return [...totals].map(([label, total]) => ({ label, ...total })).sort((a, b) => a.label - b.label)
}

/** Image sizes, the commonest first. */
export function countSizes(images: readonly { width: number; height: number }[]): SizeCount[] {
  const counts = new Map<string, { width: number; height: number; images: number }>()
  for (const { width, height } of images) {
    const key = `${width}x${height}`
    counts.set(key, { width, height, images: (counts.get(key)?.images ?? 0) + 1 })
  }
  return [...counts.values()].sort((a, b) => b.images - a.images || a.width - b.width || a.height - b.height)
}
