// Layout Folders: an image subfolder and an annotation subfolder, paired by file stem in Unicode normal form C. Names files
// without a partner and files that are not read. Opens no file: preflight.ts checks whether a picture is readable.

import { parse, posix } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { counted, listed } from '#protocol/text.ts'
import { sameForm } from './coco-listing.ts'
import { type DatasetSpec, type Entry, emptyListing, type Listing, type Problem } from './dataset.ts'
import { IMAGE_EXTENSIONS } from './images.ts'
import { naturalOrder } from './order.ts'
import { listFolder, locate } from './root.ts'

/** The pairs below `folder`, sorted by stem. Reports mistakes of the user as problems, and does not throw for them. */
export async function listFolders(spec: DatasetSpec, folder: string): Promise<Listing> {
  const root = await readFolder(folder, '', { name: spec.root, field: 'root' })
  if (root.problem) return emptyListing(root.problem)
  const images = await readSubfolder(spec, folder, 'imageSubfolder')
  const masks = await readSubfolder(spec, folder, 'annotationSubfolder')
  if (images.path !== undefined && images.path === masks.path) return emptyListing(sameFolder(spec))
  const entries: Entry[] = []
  for (const [stem, image] of images.byStem) {
    const mask = masks.byStem.get(stem)
    if (mask !== undefined) entries.push({ stem, image, mask: { kind: 'File', file: mask } })
  }
  entries.sort((a, b) => naturalOrder(a.stem, b.stem))
  const unpairedImages = masks.path === undefined ? [] : missingFrom(images.byStem, masks.byStem)
  const unpairedMasks = images.path === undefined ? [] : missingFrom(masks.byStem, images.byStem)
  const problems = [
    ...images.problems,
    ...masks.problems,
    ...notReadProblem([...images.notRead, ...masks.notRead]),
    ...unpairedImages.map((file) => withoutMask(file, spec.annotationSubfolder)),
    ...withoutImageProblem(unpairedMasks, spec.imageSubfolder),
  ]
  return { entries, unpairedImages, unpairedMasks, problems }
}

interface Subfolder {
  /** The real path; undefined where the folder cannot be read. */
  readonly path: string | undefined
  /** File relative to the root, by stem in normal form C. */
  readonly byStem: ReadonlyMap<string, string>
  /** Files whose name is neither a PNG's nor a JPEG's. */
  readonly notRead: readonly string[]
  readonly problems: readonly Problem[]
}

async function readSubfolder(
  spec: DatasetSpec,
  folder: string,
  field: 'imageSubfolder' | 'annotationSubfolder',
): Promise<Subfolder> {
  const subfolder = spec[field]
  const read = await readFolder(folder, subfolder, { name: posix.join(spec.root, subfolder), field })
  if (read.problem) return { path: undefined, byStem: new Map(), notRead: [], problems: [read.problem] }
  const byStem = new Map<string, string>()
  const notRead: string[] = []
  const problems: Problem[] = []
  for (const name of read.names) {
    const file = posix.join(subfolder, name)
    const stem = stemOf(name)
    const other = byStem.get(stem)
    if (!IMAGE_EXTENSIONS.includes(parse(name).ext.slice(1).toLowerCase())) notRead.push(file)
    else if (other !== undefined) problems.push(sameStem(file, other))
    else byStem.set(stem, file)
  }
  return { path: read.path, byStem, notRead, problems }
}

function stemOf(name: string): string {
  return parse(name).name.normalize('NFC')
}

/** What to do about a folder that cannot be read, by the system's code. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'Create it',
  ENOTDIR: 'Create a folder there',
  ELOOP: 'Replace the links that lead in a circle by a folder',
}
const UNREADABLE = 'Make it readable for this user'

/** The real path and the names in a folder, hidden ones left out, in natural order; or why it cannot be read. */
async function readFolder(
  root: string,
  folder: string,
  what: { name: string; field: keyof DatasetSpec },
): Promise<{ path: string; names: string[]; problem?: undefined } | { problem: Problem }> {
  try {
    const found = await listFolder(root, folder)
    const names = found.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    return { path: await locate(root, folder), names: names.sort(naturalOrder) }
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    const { code } = (error.cause ?? {}) as NodeJS.ErrnoException
    const remedy =
      code === undefined ? error.remedy : `${REMEDIES[code] ?? UNREADABLE}, or correct dataset.${what.field}.`
    return {
      problem: {
        field: what.field,
        message: `the folder ${what.name} ${error.message}`,
        remedy,
        fatal: true,
      },
    }
  }
}

function missingFrom(these: ReadonlyMap<string, string>, those: ReadonlyMap<string, string>): string[] {
  return [...these].filter(([stem]) => !those.has(stem)).map(([, file]) => file)
}

function sameFolder({ imageSubfolder, annotationSubfolder }: DatasetSpec): Problem {
  const message = `the images (${imageSubfolder}) and their masks (${annotationSubfolder}) are in the same folder, so each image would be its own mask`
  const remedy = 'Put the masks into a folder of their own and name it in dataset.annotationSubfolder.'
  return { field: 'annotationSubfolder', message, remedy, fatal: true }
}

function withoutMask(file: string, annotationSubfolder: string): Problem {
  const mask = `${posix.join(annotationSubfolder, parse(file).name)}.png`
  return { file, message: `${file} has no mask`, remedy: `Add ${mask}, or take the image away.`, fatal: true }
}

function withoutImageProblem(files: readonly string[], imageSubfolder: string): Problem[] {
  if (files.length === 0) return []
  const message = `${counted(files.length, 'mask')} without an image of the same name in ${imageSubfolder}; left out: ${listed(files)}`
  return [{ message, remedy: 'Add the images, or take the masks away.', fatal: false }]
}

function sameStem(file: string, other: string): Problem {
  if (parse(file).name !== parse(other).name) return sameForm(file)
  const message = `${file} and ${other} differ in their ending only, so it is unclear which one is meant`
  return { file, message, remedy: 'Keep one of the two.', fatal: true }
}

function notReadProblem(files: readonly string[]): Problem[] {
  if (files.length === 0) return []
  const message = `${counted(files.length, 'file')} without the ending .png, .jpg or .jpeg; left out: ${listed(files)}`
  return [{ message, remedy: 'Convert images to PNG or JPEG; masks must be PNG.', fatal: false }]
}
