// Counts of a data set: pixels per mask value, images per label and size. Pure; what they mean is preflight's question.
import type { LabelMap } from './dataset.ts'

/** A value that occurs in the masks: its pixels in all, and the images that hold it. */
export interface LabelCount {
  readonly label: number
  readonly pixels: number
  readonly images: number
}

export interface SizeCount {
  readonly width: number
  readonly height: number
  readonly images: number
}

/** The pixels of each value of a mask. */
export function histogram(map: LabelMap): Map<number, number> {
  const counts = new Uint32Array(map.values instanceof Uint8Array ? 256 : 65_536)
  for (const value of map.values) counts[value]! += 1
  const pixels = new Map<number, number>()
  counts.forEach((count, label) => {
    if (count > 0) pixels.set(label, count)
  })
  return pixels
}

/** The pixels of the selected labels; with none named, of every non-zero one. */
export function selectedPixels(pixels: ReadonlyMap<number, number>, labels: readonly number[]): number {
  let selected = 0
  for (const [label, count] of pixels) {
    if (labels.length === 0 ? label !== 0 : labels.includes(label)) selected += count
  }
  return selected
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
