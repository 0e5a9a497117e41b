// Layout COCO: one JSON file of images and outlined objects (polygons, run lengths plain or compressed); category ids are
// the labels. Draws an image's objects as a label map. Format: cocodataset.org/#format-data, pycocotools maskApi.c.
// Polygons are filled by pixel centres, a fraction of a pixel apart from pycocotools' five-fold supersampling.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import type {
  CocoObject,
  CocoRegion,
  DatasetSpec,
  Entry,
  LabelMap,
  Listing,
  MaskSource,
  Problem,
} from './dataset.ts'
import { emptyListing, unusable } from './dataset.ts'
import { naturalOrder } from './order.ts'

const Whole = v.pipe(v.number(), v.integer(), v.minValue(0))
const Id = v.union([v.number(), v.string()])
const Region = v.union([
  v.array(v.pipe(v.array(v.number()), v.minLength(6))),
  v.object({ size: v.strictTuple([Whole, Whole]), counts: v.union([v.string(), v.array(Whole)]) }),
])
const CocoFile = v.object({
  images: v.array(v.object({ id: Id, file_name: v.string(), width: Whole, height: Whole })),
  annotations: v.array(
    v.object({
      image_id: Id,
      category_id: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
      segmentation: Region,
    }),
  ),
})

/** The images of the annotations file, sorted by stem (the file name without its ending). Throws nothing. */
export async function listCoco(spec: DatasetSpec, folder: string): Promise<Listing> {
  const file = spec.annotationsFile
  const read = await readAnnotations(join(folder, file), file)
  if ('fatal' in read) return emptyListing(read)
  const objects = new Map<string | number, CocoObject[]>(read.images.map((image) => [image.id, []]))
  for (const { image_id, category_id, segmentation } of read.annotations) {
    objects.get(image_id)?.push({ category: category_id, region: asRegion(segmentation) })
  }
  const entries = new Map<string, Entry>()
  const problems: Problem[] = []
  for (const { id, file_name, width, height } of read.images) {
    const image = join(spec.imageSubfolder, file_name).replaceAll('\\', '/')
    const stem = file_name.replace(/\.[^./]*$/, '')
    const mask: MaskSource = { kind: 'Objects', file, width, height, objects: objects.get(id)! }
    if (entries.has(stem)) problems.push(listedTwice(image, file))
    else entries.set(stem, { stem, image, mask })
  }
  const sorted = [...entries.values()].sort((a, b) => naturalOrder(a.stem, b.stem))
  return { entries: sorted, unpairedImages: [], unpairedMasks: [], problems }
}

async function readAnnotations(
  path: string,
  file: string,
): Promise<v.InferOutput<typeof CocoFile> | Problem> {
  const remedy = 'Correct dataset.annotationsFile: the path of a COCO instances file, relative to the root.'
  const problem = (reason: string): Problem => ({
    file,
    field: 'annotationsFile',
    message: `the annotations file ${file || '""'} ${reason}`,
    remedy,
    fatal: true,
  })
  if (file === '') return problem('is not named, which layout COCO needs')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    return problem(`cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    return problem(`is not JSON: ${(error as Error).message}`)
  }
  const parsed = v.safeParse(CocoFile, content)
  if (parsed.success) return parsed.output
  const issue = parsed.issues[0]
  return problem(`is not a COCO instances file: ${v.getDotPath(issue) ?? 'content'}: ${issue.message}`)
}

function asRegion(region: v.InferOutput<typeof Region>): CocoRegion {
  return Array.isArray(region) ? { kind: 'Polygons', polygons: region } : { kind: 'Runs', ...region }
}

function listedTwice(image: string, file: string): Problem {
  const message = `${image} is listed twice in ${file}, or beside a file that differs in its ending only`
  return { file: image, message, remedy: 'Keep one of the two.', fatal: true }
}

/**
 * The label map of an image's objects: each pixel holds a category id, 0 where there is no object. Where objects overlap
 * those of `labels` lie on top, so that the selected mask is whole; among themselves the later one does.
 * Throws FedsamError BadData for run lengths that do not fill the image.
 */
export function drawObjects(
  image: { readonly width: number; readonly height: number; readonly objects: readonly CocoObject[] },
  labels: readonly number[],
): LabelMap {
  const values = new Uint16Array(image.width * image.height)
  const above = (object: CocoObject): number => (labels.includes(object.category) ? 1 : 0)
  for (const { region, category } of image.objects.toSorted((a, b) => above(a) - above(b))) {
    if (region.kind === 'Runs') fillRuns(values, image, region, category)
    else for (const polygon of region.polygons) fillPolygon(values, image, polygon, category)
  }
  return { width: image.width, height: image.height, values }
}

interface Raster {
  readonly width: number
  readonly height: number
}

function fillRuns(
  values: Uint16Array,
  { width, height }: Raster,
  region: CocoRegion & { kind: 'Runs' },
  label: number,
): void {
  const counts = typeof region.counts === 'string' ? decompressRuns(region.counts) : region.counts
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (region.size[0] !== height || region.size[1] !== width || total !== width * height) {
    throw unusable(
      `holds run lengths for ${total} pixels of ${region.size[1]}x${region.size[0]} in an image of ${width}x${height}`,
      'Export the annotations again.',
    )
  }
  let at = 0
  counts.forEach((count, i) => {
    if (i % 2 === 1)
      for (let k = at; k < at + count; k++) values[(k % height) * width + Math.floor(k / height)] = label
    at += count
  })
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
      value |= (code & 0x1f) << bits
      bits += 5
    }
    if ((code & 0x10) !== 0) value |= -1 << bits
    counts.push(counts.length > 2 ? value + counts[counts.length - 2]! : value)
  }
  return counts
}

/** Fills the pixels whose centre lies in the polygon (even-odd rule). */
function fillPolygon(
  values: Uint16Array,
  { width, height }: Raster,
  polygon: readonly number[],
  label: number,
): void {
  for (let y = 0; y < height; y++) {
    const crossings = crossingsOf(polygon, y + 0.5)
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.ceil(crossings[i]! - 0.5))
      const to = Math.min(width, Math.ceil(crossings[i + 1]! - 0.5))
      if (to > from) values.fill(label, y * width + from, y * width + to)
    }
  }
}

/** Where a horizontal line crosses the polygon's edges, sorted. */
function crossingsOf(polygon: readonly number[], y: number): number[] {
  const points = Math.floor(polygon.length / 2)
  const crossings: number[] = []
  for (let i = 0; i < points; i++) {
    const j = (i + 1) % points
    const [x1, y1, x2, y2] = [polygon[2 * i]!, polygon[2 * i + 1]!, polygon[2 * j]!, polygon[2 * j + 1]!]
    if (y1 <= y !== y2 <= y) crossings.push(x1 + ((y - y1) / (y2 - y1)) * (x2 - x1))
  }
  return crossings.sort((a, b) => a - b)
}
