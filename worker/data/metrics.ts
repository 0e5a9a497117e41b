// Measures how well a mask fits the true mask, and computes two masks without a model, as baselines.
// Masks are 0/1 bytes, [height, width]. Boxes are inclusive pixel indices [x1, y1, x2, y2], as tightBox gives them.
import type { Box } from './samples.ts'

function overlap(prediction: Uint8Array, truth: Uint8Array): { both: number; sum: number } {
  if (prediction.length !== truth.length)
    throw new RangeError(`masks of ${prediction.length} and ${truth.length} pixels`)
  let both = 0
  let sum = 0
  for (let i = 0; i < truth.length; i++) {
    both += prediction[i]! & truth[i]!
    sum += prediction[i]! + truth[i]!
  }
  return { both, sum }
}

/** 2|A∩B| / (|A| + |B|), from 0 to 1; two empty masks agree: 1. */
export function dice(prediction: Uint8Array, truth: Uint8Array): number {
  const { both, sum } = overlap(prediction, truth)
  return sum === 0 ? 1 : (2 * both) / sum
}

/** |A∩B| / |A∪B|, from 0 to 1; two empty masks agree: 1. */
export function iou(prediction: Uint8Array, truth: Uint8Array): number {
  const { both, sum } = overlap(prediction, truth)
  return sum === 0 ? 1 : both / (sum - both)
}

/** The box itself as a mask. */
export function boxMask(box: Box, width: number, height: number): Uint8Array {
  const mask = new Uint8Array(width * height)
  for (let y = Math.max(box[1], 0); y <= Math.min(box[3], height - 1); y++) {
    mask.fill(1, y * width + Math.max(box[0], 0), y * width + Math.min(box[2], width - 1) + 1)
  }
  return mask
}

/** The ellipse that touches the box's four outer edges, as a mask of the pixels whose centre is in it. */
export function ellipseMask(box: Box, width: number, height: number): Uint8Array {
  const mask = boxMask(box, width, height)
  const [x1, y1, x2, y2] = box
  const radiusX = (x2 - x1 + 1) / 2
  const radiusY = (y2 - y1 + 1) / 2
  for (let y = Math.max(y1, 0); y <= Math.min(y2, height - 1); y++) {
    for (let x = Math.max(x1, 0); x <= Math.min(x2, width - 1); x++) {
      const across = (x - (x1 + x2) / 2) / radiusX
      const down = (y - (y1 + y2) / 2) / radiusY
      if (across * across + down * down > 1) mask[y * width + x] = 0
    }
  }
  return mask
}
