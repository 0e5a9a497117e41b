// Layout COCO: lists the images of a data set by its instances file. Names images that the folder lacks, and files that the
// instances file does not list. Opens no picture: preflight.ts checks whether it is readable.

import { posix } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { counted, listed } from '#protocol/text.ts'
import { type CocoImage, parseCoco } from './coco-file.ts'
import {
  type CocoObject,
  type DatasetSpec,
  type Entry,
  emptyListing,
  type Listing,
  type Problem,
} from './dataset.ts'
import { naturalOrder } from './order.ts'
import { listFolder, readFileWithin } from './root.ts'

/** Size that an instances file may have, in bytes. COCO's own largest has 470 MB; V8 holds no text of 537 MB. */
const MOST_BYTES = 500_000_000

/** The images of the annotations file, sorted by stem (the file name without its ending). Throws nothing. */
export async function listCoco(spec: DatasetSpec, folder: string): Promise<Listing> {
  const file = spec.annotationsFile
  try {
    if (file === '')
      throw new FedsamError('BadData', 'is not named, which layout COCO needs', { remedy: NAME })
    const text = new TextDecoder().decode(await readFileWithin(folder, file, MOST_BYTES))
    return await listImages(parseCoco(text, file), spec, folder)
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    const message = `the annotations file ${file || '""'} ${error.message}`
    return emptyListing({ file, field: 'annotationsFile', message, remedy: error.remedy, fatal: true })
  }
}

const NAME = 'Set dataset.annotationsFile: the path of a COCO instances file, relative to the root.'

async function listImages(
  { images, annotations, problems }: ReturnType<typeof parseCoco>,
  spec: DatasetSpec,
  folder: string,
): Promise<Listing> {
  const objects = new Map<string, CocoObject[]>(images.map((image) => [image.id, []]))
  for (const { image, category, region } of annotations) objects.get(image)!.push({ category, region })
  const outside = images.filter(({ name }) => leavesRoot(name, spec)).map(({ name }) => name)
  const inside = images.filter(({ name }) => !leavesRoot(name, spec))
  const present = await presentFiles(inside, spec, folder)
  const entries = new Map<string, Entry>()
  const twice: string[] = []
  for (const { id, name, width, height } of inside) {
    const path = pathOf(name, spec)
    const image = present.byForm.get(path.normalize('NFC')) ?? path
    const stem = name.replace(/\.[^./]*$/, '').normalize('NFC')
    const mask = {
      kind: 'Objects',
      file: spec.annotationsFile,
      width,
      height,
      objects: objects.get(id)!,
    } as const
    if (entries.has(stem)) twice.push(image)
    else entries.set(stem, { stem, image, mask })
  }
  const listed = new Set([...entries.values()].map(({ image }) => image))
  const unlisted = present.files.filter((path) => !listed.has(path) && path !== spec.annotationsFile)
  return {
    entries: [...entries.values()].sort((a, b) => naturalOrder(a.stem, b.stem)),
    unpairedImages: unlisted,
    unpairedMasks: [],
    problems: [
      ...present.problems,
      ...problems,
      ...outsideProblem(outside, spec),
      ...twice.map((image) => listedTwice(image, spec.annotationsFile)),
      ...unlistedProblem(unlisted, spec),
    ],
  }
}

function pathOf(name: string, { imageSubfolder }: DatasetSpec): string {
  return posix.join(imageSubfolder.replaceAll('\\', '/'), name)
}

/** Absolute paths, addresses and paths with too many "..": such a name would name a file that the root does not hold. */
function leavesRoot(name: string, spec: DatasetSpec): boolean {
  if (name.startsWith('/') || /^[a-z]:\//i.test(name) || /^[a-z][a-z0-9+.-]*:\/\//i.test(name)) return true
  return pathOf(name, spec).split('/')[0] === '..'
}

interface Present {
  /** Paths relative to the root of what is in the image subfolder and beside the listed images. */
  readonly files: readonly string[]
  /** Of these, by their Unicode normal form C. */
  readonly byForm: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
}

async function presentFiles(
  images: readonly CocoImage[],
  spec: DatasetSpec,
  folder: string,
): Promise<Present> {
  const top = pathOf('', spec)
  const folders = new Set([top, ...images.map(({ name }) => posix.dirname(pathOf(name, spec)))])
  const byForm = new Map<string, string>()
  const files: string[] = []
  const problems: Problem[] = []
  for (const path of [...folders].sort()) {
    // A folder that is not there shows at each of its images; the image subfolder has a field of its own.
    const found = await listFolder(folder, path).catch((error: unknown) => {
      if (!(error instanceof FedsamError)) throw error
      if (path === top) problems.push(badFolder(spec, error))
      return []
    })
    for (const { name } of found.filter((entry) => !entry.isDirectory())) {
      const file = posix.join(path, name)
      const form = file.normalize('NFC')
      const other = byForm.get(form)
      if (other !== undefined) problems.push(sameForm(file))
      byForm.set(form, file)
      files.push(file)
    }
  }
  return { files, byForm, problems }
}

function badFolder({ root, imageSubfolder }: DatasetSpec, error: FedsamError): Problem {
  const message = `the folder ${posix.join(root, imageSubfolder)} ${error.message}`
  return { field: 'imageSubfolder', message, remedy: 'Correct dataset.imageSubfolder.', fatal: true }
}

/** Two files whose names look the same. */
export function sameForm(file: string): Problem {
  const message = `${file}: two files have this name and differ in its Unicode form only (an accent as one character or two)`
  return { file, message, remedy: 'Take one of the two away, or rename it.', fatal: true }
}

function listedTwice(image: string, file: string): Problem {
  const message = `${image} is listed twice in ${file}, or beside a file that differs in its ending only`
  return { file: image, message, remedy: 'Keep one of the two.', fatal: true }
}

function outsideProblem(names: readonly string[], { annotationsFile: file }: DatasetSpec): Problem[] {
  if (names.length === 0) return []
  const message = `${file}: ${counted(names.length, 'image')} with a file_name outside of the root of the data set: ${listed(names)}`
  const remedy = 'Write file_name relative to dataset.imageSubfolder, with no "..", "/" or address before it.'
  return [{ file, message, remedy, fatal: true }]
}

function unlistedProblem(files: readonly string[], { annotationsFile }: DatasetSpec): Problem[] {
  if (files.length === 0) return []
  const message = `${counted(files.length, 'file')} that ${annotationsFile} does not list; left out: ${listed(files)}`
  return [{ message, remedy: 'Nothing, if they do not belong to this job.', fatal: false }]
}
