// Reads a COCO instances file: its images, and the outlined objects in them. Pure. Guarantees one rule for each fault of
// such files (docs/data.md lists them): an item with one meaning is read, one without a meaning is left out and named, one with
// several is refused. coco.ts draws the objects. Format: cocodataset.org/#format-data.
import { isObject } from '#protocol/json-object.ts'
import { counted, listed, shortened } from '#protocol/text.ts'
import { type CocoRegion, type Problem, unusable } from './dataset.ts'
import { MOST_PIXELS } from './picture-header.ts'

/** Category ids are the pixels of a 16-bit label map, which keeps one value for "no object". */
const MOST_CATEGORY = 65_534

export interface CocoImage {
  /** As text: 3 and "3" are the same id. */
  readonly id: string
  /** Relative to the image subfolder, with "/" between folders. */
  readonly name: string
  readonly width: number
  readonly height: number
}

export interface CocoAnnotation {
  readonly image: string
  readonly category: number
  readonly region: CocoRegion
}

export interface CocoContent {
  readonly images: readonly CocoImage[]
  readonly annotations: readonly CocoAnnotation[]
  readonly problems: readonly Problem[]
}

type Fields = Readonly<Record<string, unknown>>

/** The items that break each rule, by the names that users know, in the order of the file. */
class Findings {
  readonly #names = new Map<keyof typeof RULES, string[]>()

  add(kind: keyof typeof RULES, name: string): void {
    const names = this.#names.get(kind)
    if (names === undefined) this.#names.set(kind, [name])
    else names.push(name)
  }

  problems(file: string): Problem[] {
    return Object.entries(RULES).flatMap(([kind, { noun, what, remedy, fatal }]) => {
      const names = this.#names.get(kind as keyof typeof RULES)
      if (names === undefined) return []
      const message = `${file}: ${counted(names.length, noun)} ${what}: ${listed(names)}`
      return [{ file, message, remedy, fatal }]
    })
  }
}

interface Rule {
  readonly noun: string
  readonly what: string
  readonly remedy: string
  readonly fatal: boolean
}

const RULES = {
  ImageFields: {
    noun: 'image',
    what: 'without a usable id, file_name, width or height (whole numbers from 1 on)',
    remedy: 'Export the annotations again.',
    fatal: true,
  },
  ImageTooLarge: {
    noun: 'image',
    what: `of more than ${MOST_PIXELS} pixels by width and height`,
    remedy: 'Correct width and height, or cut the image into tiles.',
    fatal: true,
  },
  SameId: {
    noun: 'image',
    what: 'with an id that an earlier image has, so it is unclear which one the annotations mean',
    remedy: 'Give each image an id of its own.',
    fatal: true,
  },
  NotObject: {
    noun: 'annotation',
    what: 'that is no JSON object',
    remedy: 'Export the annotations again.',
    fatal: true,
  },
  Category: {
    noun: 'annotation',
    what: `with a category_id that is not a whole number from 0 to ${MOST_CATEGORY}`,
    remedy: 'Number the categories; dataset.labels selects them by these numbers.',
    fatal: true,
  },
  Outline: {
    noun: 'annotation',
    what: 'with a segmentation that is neither a list of polygons nor run lengths',
    remedy: 'Write polygons as [[x1, y1, x2, y2, …], …], or run lengths as {"size": [h, w], "counts": …}.',
    fatal: true,
  },
  UnknownImage: {
    noun: 'annotation',
    what: 'with an image_id that no image has; left out',
    remedy: 'Nothing, if these images were taken away; otherwise correct image_id.',
    fatal: false,
  },
  NoOutline: {
    noun: 'annotation',
    what: 'without an outline (segmentation is missing, empty, or has no polygon of three points); left out',
    remedy: 'Outline these objects: a bbox is not used, and their pixels count as background.',
    fatal: false,
  },
  Crowd: {
    noun: 'annotation',
    what: 'of a crowd (iscrowd); drawn like every other outline',
    remedy: 'Nothing, if the outlines fit; otherwise take these annotations away.',
    fatal: false,
  },
  UnknownCategory: {
    noun: 'annotation',
    what: 'with a category_id that is not in categories; drawn all the same',
    remedy: 'Nothing, if dataset.labels names the right numbers; otherwise correct category_id.',
    fatal: false,
  },
  SameAnnotation: {
    noun: 'annotation',
    what: 'with an id that an earlier annotation has; both are drawn',
    remedy: 'Nothing, if they are different objects; otherwise take one away.',
    fatal: false,
  },
} as const satisfies Readonly<Record<string, Rule>>

/** Reads the text of `file`. Throws FedsamError BadData for a text that is not a COCO instances file. */
export function parseCoco(text: string, file: string): CocoContent {
  const content = parseJson(text)
  const findings = new Findings()
  const images = readImages(listOf(content, 'images'), findings)
  const known = new Map(images.map((image) => [image.id, image.name]))
  const annotations = readAnnotations(listOf(content, 'annotations'), {
    known,
    categories: categoriesOf(content),
    findings,
  })
  return { images, annotations, problems: findings.problems(file) }
}

function parseJson(text: string): Fields {
  let content: unknown
  try {
    content = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    // Of a long text V8 quotes the surroundings of the fault alone.
    throw unusable(`is not JSON: ${(cause as Error).message}`, 'Export the annotations again.', cause)
  }
  if (!isObject(content)) throw notCoco('its content is not a JSON object')
  return content
}

function listOf(content: Fields, field: 'images' | 'annotations'): readonly unknown[] {
  const list = content[field]
  if (!Array.isArray(list)) throw notCoco(`it has no list named ${field}`)
  return list
}

function notCoco(reason: string): Error {
  return unusable(
    `is not a COCO instances file: ${reason}`,
    'Correct dataset.annotationsFile: the path of a COCO instances file, relative to the root.',
  )
}

/** The ids that `categories` lists; undefined where the file has no such list. */
function categoriesOf({ categories }: Fields): ReadonlySet<string> | undefined {
  if (!Array.isArray(categories) || categories.length === 0) return undefined
  return new Set(categories.filter(isObject).map(({ id }) => idOf(id) ?? ''))
}

function readImages(list: readonly unknown[], findings: Findings): CocoImage[] {
  const images = new Map<string, CocoImage>()
  for (const [i, item] of list.entries()) {
    const fields = isObject(item) ? item : {}
    const { file_name: name, width, height } = fields
    const id = idOf(fields.id)
    const shown = typeof name === 'string' && name !== '' ? quoted(name) : `images[${i}]`
    if (id === undefined || typeof name !== 'string' || name === '' || !isSide(width) || !isSide(height)) {
      findings.add('ImageFields', shown)
    } else if (width * height > MOST_PIXELS) findings.add('ImageTooLarge', `${shown} (${width}x${height})`)
    else if (images.has(id)) findings.add('SameId', `${shown} (id ${quoted(id)})`)
    else images.set(id, { id, name: name.replaceAll('\\', '/'), width, height })
  }
  return [...images.values()]
}

interface Known {
  /** File names by image id. */
  readonly known: ReadonlyMap<string, string>
  readonly categories: ReadonlySet<string> | undefined
  readonly findings: Findings
}

function readAnnotations(list: readonly unknown[], context: Known): CocoAnnotation[] {
  const { known, findings } = context
  const annotations: CocoAnnotation[] = []
  const ids = new Set<string>()
  for (const [i, item] of list.entries()) {
    const fields = isObject(item) ? item : {}
    const id = idOf(fields.id)
    const name = nameOf(i, id, known.get(idOf(fields.image_id) ?? ''))
    if (ids.has(id ?? '')) findings.add('SameAnnotation', name)
    ids.add(id ?? `annotations[${i}]`)
    const read = isObject(item) ? readAnnotation(fields, known) : NOT_OBJECT
    if ('fault' in read) findings.add(read.fault, `${name}${read.detail}`)
    else {
      annotations.push(read)
      noteDrawn(read, isSet(fields.iscrowd), name, context)
    }
  }
  return annotations
}

/** Records facts about a drawn annotation that may surprise users. */
function noteDrawn({ category }: CocoAnnotation, crowd: boolean, name: string, context: Known): void {
  const { categories, findings } = context
  const unknown = categories !== undefined && !categories.has(String(category))
  if (unknown) findings.add('UnknownCategory', `${name}, category_id ${category}`)
  if (crowd) findings.add('Crowd', name)
}

/** The rule that keeps an annotation from being drawn, and what else its name needs. */
interface Fault {
  readonly fault: keyof typeof RULES
  readonly detail: string
}

const NOT_OBJECT: Fault = { fault: 'NotObject', detail: '' }

function readAnnotation(
  { image_id, category_id, segmentation }: Fields,
  known: Known['known'],
): CocoAnnotation | Fault {
  const image = idOf(image_id)
  const category = idOf(category_id)
  const region = Array.isArray(segmentation) ? polygonsOf(segmentation) : runsOf(segmentation)
  if (image === undefined || !known.has(image))
    return { fault: 'UnknownImage', detail: `, image_id ${shortJson(image_id)}` }
  if (!isCategory(category)) return { fault: 'Category', detail: `, category_id ${shortJson(category_id)}` }
  if (region === 'Wrong') return { fault: 'Outline', detail: '' }
  if (region === 'Absent') return { fault: 'NoOutline', detail: '' }
  return { image, category: Number(category), region }
}

/** "annotation 17 (a.png)" by its id, or "annotations[16]" by its place. */
function nameOf(index: number, id: string | undefined, image: string | undefined): string {
  const own = id === undefined ? `annotations[${index}]` : quoted(id)
  return image === undefined ? own : `${own} (${quoted(image)})`
}

/** An id as text: whole numbers and texts are ids, and 3 is "3". */
function idOf(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') return value
  return Number.isSafeInteger(value) ? String(value) : undefined
}

function isCategory(id: string | undefined): id is string {
  return id !== undefined && /^(0|[1-9][0-9]{0,4})$/.test(id) && Number(id) <= MOST_CATEGORY
}

function isSide(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

/** Crowds are marked by 1; some programs write true or "1". */
function isSet(value: unknown): boolean {
  return value === 1 || value === true || value === '1'
}

/** Polygons of fewer than three points, or with half a point, are no outline: the rule of detectron2. */
function polygonsOf(list: readonly unknown[]): CocoRegion | 'Absent' | 'Wrong' {
  if (!list.every((polygon) => Array.isArray(polygon) && polygon.every(Number.isFinite))) return 'Wrong'
  const polygons = (list as number[][]).filter(({ length }) => length >= 6 && length % 2 === 0)
  return polygons.length === 0 ? 'Absent' : { kind: 'Polygons', polygons }
}

function runsOf(value: unknown): CocoRegion | 'Absent' | 'Wrong' {
  if (value === undefined || value === null) return 'Absent'
  if (!isObject(value)) return 'Wrong'
  if (Object.keys(value).length === 0) return 'Absent'
  const { size, counts } = value
  if (!Array.isArray(size) || size.length !== 2) return 'Wrong'
  const [height, width] = size as unknown[]
  if (!isSide(height) || !isSide(width)) return 'Wrong'
  if (typeof counts !== 'string' && !(Array.isArray(counts) && counts.every(isRun))) return 'Wrong'
  return { kind: 'Runs', size: [height, width], counts }
}

function isRun(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Names in messages have at most this many characters. */
const MOST_SHOWN = 80

const quoted = (text: string): string => shortened(text, MOST_SHOWN)

function shortJson(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? '[…]' : '{…}'
  return quoted(value === undefined ? 'missing' : JSON.stringify(value))
}
