// Draws the outlined objects of a COCO image as a label map: polygons, and run lengths, plain or compressed.
// Guarantees bounded work for one image, for any outlines. Format: pycocotools, maskApi.c.
// Polygons are filled by pixel centres, a fraction of a pixel apart from pycocotools' five-fold supersampling.
import { type CocoObject, type CocoRegion, type LabelMap, unusable } from './dataset.ts'

interface Raster {
  readonly width: number
  readonly height: number
}

/** Times that a polygon may cross the rows of an image. A smooth outline in the largest image crosses about 50,000. */
const MOST_CROSSINGS = 2 ** 20
/** Pixels that the outlines of one image may fill, overlaps counted: the largest image eight times over. */
const MOST_FILLED = 2 ** 31
/** The number of filled pixels that take as much time as one crossing. */
const CROSSING = 32

/** Counts the work on one image. Throws FedsamError BadData where it exceeds its bound. */
class Work {
  #left = MOST_FILLED

  spend(pixels: number): void {
    this.#left -= pixels
    if (this.#left < 0) throw tooMuch()
  }
}

function tooMuch(): Error {
  return unusable('hold outlines with too many points or overlaps to draw', 'Simplify the outlines.')
}

/**
 * The label map of an image's objects: each pixel holds a category plus one, 0 where there is no object. Where objects
 * overlap, those of `labels` cover the others, so that the selected mask is whole; else the later one covers the earlier.
 * Throws FedsamError BadData for run lengths that do not fill the image, and for too much work.
 */
export function drawObjects(
  image: Raster & { readonly objects: readonly CocoObject[] },
  labels: readonly number[],
): LabelMap {
  const values = new Uint16Array(image.width * image.height)
  const work = new Work()
  const chosen = new Set(labels)
  const isChosen = ({ category }: CocoObject): boolean => chosen.has(category)
  const ordered = [...image.objects.filter((object) => !isChosen(object)), ...image.objects.filter(isChosen)]
  for (const { region, category } of ordered) {
    const canvas = { values, width: image.width, height: image.height, value: category + 1, work }
    if (region.kind === 'Runs') fillRuns(canvas, region)
    else for (const polygon of region.polygons) fillPolygon(canvas, polygon)
  }
  return { width: image.width, height: image.height, values, offset: 1 }
}

interface Canvas extends Raster {
  readonly values: Uint16Array
  readonly value: number
  readonly work: Work
}

function fillRuns(
  { values, width, height, value, work }: Canvas,
  region: CocoRegion & { kind: 'Runs' },
): void {
  const counts = typeof region.counts === 'string' ? decompressRuns(region.counts) : region.counts
  const total = counts.reduce((sum, count) => sum + count, 0)
  const fits = region.size[0] === height && region.size[1] === width && total === width * height
  if (!fits || counts.some((count) => count < 0)) {
    throw unusable(
      `hold run lengths for ${total} pixels of ${region.size[1]}x${region.size[0]} in an image of ${width}x${height}`,
      'Export the annotations again.',
    )
  }
  let at = 0
  for (const [i, count] of counts.entries()) {
    if (i % 2 === 1) {
      work.spend(count)
      for (let k = at; k < at + count; k++) values[(k % height) * width + Math.floor(k / height)] = value
    }
    at += count
  }
}

/** COCO's compressed counts: 5 bits a character from code 48 on, low bits first, from the third on as differences. */
function decompressRuns(text: string): number[] {
  const counts: number[] = []
  for (let at = 0; at < text.length; ) {
    let value = 0
    let bits = 0
    let code = 0x20
    while ((code & 0x20) !== 0 && at < text.length) {
      code = text.charCodeAt(at++) - 48
      // Six characters hold every count of an image that is read; a seventh would move bits out of the integer.
      if (code < 0 || code > 0x3f || bits > 25)
        throw unusable('hold damaged run lengths', 'Export them again.')
      value |= (code & 0x1f) << bits
      bits += 5
    }
    if ((code & 0x10) !== 0) value |= -1 << bits
    counts.push(counts.length > 2 ? value + counts[counts.length - 2]! : value)
  }
  return counts
}

/** Fills the pixels whose centre is inside the polygon (even-odd rule). */
function fillPolygon({ values, width, height, value, work }: Canvas, polygon: readonly number[]): void {
  crossRows(polygon, height, work, (y, crossings) => {
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.ceil(crossings[i]! - 0.5))
      const to = Math.min(width, Math.ceil(crossings[i + 1]! - 0.5))
      if (to <= from) continue
      work.spend(to - from)
      values.fill(value, y * width + from, y * width + to)
    }
  })
}

/** Calls `row` for each row from 0 to height − 1 with the places where its centre line crosses the polygon, sorted. */
function crossRows(
  polygon: readonly number[],
  height: number,
  work: Work,
  row: (y: number, crossings: Float64Array) => void,
): void {
  const edges = edgesOf(polygon, height)
  const total = edges.reduce((sum, { first, end }) => sum + end - first, 0)
  if (total > MOST_CROSSINGS) throw tooMuch()
  work.spend(total * CROSSING)
  if (total === 0) return
  const top = edges.reduce((least, { first }) => Math.min(least, first), height)
  const bottom = edges.reduce((most, { end }) => Math.max(most, end), 0)
  // starts[y − top] is where the crossings of row y begin; the last entry is where the last row's end.
  const starts = new Uint32Array(bottom - top + 1)
  for (const { first, end } of edges) for (let y = first; y < end; y++) starts[y - top + 1]! += 1
  for (let y = 1; y < starts.length; y++) starts[y]! += starts[y - 1]!
  const places = new Float64Array(total)
  const next = starts.slice()
  for (const { first, end, x, y: from, slope } of edges) {
    for (let y = first; y < end; y++) places[next[y - top]!++] = x + (y + 0.5 - from) * slope
  }
  for (let y = top; y < bottom; y++) row(y, places.subarray(starts[y - top]!, starts[y - top + 1]!).sort())
}

/** An edge that crosses the centre lines of the rows from `first` to `end` − 1, by one of its points and dx/dy. */
interface Edge {
  readonly first: number
  readonly end: number
  readonly x: number
  readonly y: number
  readonly slope: number
}

function edgesOf(polygon: readonly number[], height: number): Edge[] {
  const points = Math.floor(polygon.length / 2)
  const edges: Edge[] = []
  for (let i = 0; i < points; i++) {
    const j = (i + 1) % points
    const [x, y, x2, y2] = [polygon[2 * i]!, polygon[2 * i + 1]!, polygon[2 * j]!, polygon[2 * j + 1]!]
    const first = Math.max(0, Math.ceil(Math.min(y, y2) - 0.5))
    const end = Math.min(height, Math.ceil(Math.max(y, y2) - 0.5))
    if (first < end) edges.push({ first, end, x, y, slope: (x2 - x) / (y2 - y) })
  }
  return edges
}
