// What the prompt alone gives away: the true box taken as the mask, and the ellipse in it. Needs no model.
import type { DatasetSpec } from '#worker/data/dataset.ts'
import { boxMask, dice, ellipseMask } from '#worker/data/metrics.ts'
import { loadSamples, tightBox } from '#worker/data/samples.ts'

/** Mean Dice of both over a site's held-out images (none of them empty). */
export async function measureShapes(
  dataset: DatasetSpec,
  stems: readonly string[],
): Promise<{ readonly box: number; readonly ellipse: number }> {
  const sums = { box: 0, ellipse: 0 }
  for (const { mask, width, height } of await loadSamples(dataset, dataset.root, stems)) {
    const box = tightBox(mask, width)!
    sums.box += dice(boxMask(box, width, height), mask)
    sums.ellipse += dice(ellipseMask(box, width, height), mask)
  }
  return { box: sums.box / stems.length, ellipse: sums.ellipse / stems.length }
}
