// Layout Folders: an image subfolder and an annotation subfolder, paired by file stem. Names what has no partner and
// what lies there and is not read. Opens no file: whether a picture can be read is preflight's question.
import { readdir } from 'node:fs/promises'
import { join, parse } from 'node:path'
import type { DatasetSpec, Entry, Listing, Problem } from './dataset.ts'
import { emptyListing } from './dataset.ts'
import { IMAGE_EXTENSIONS } from './images.ts'
import { naturalOrder } from './order.ts'

/** The pairs below `folder`, sorted by stem. Throws nothing for what a user may have got wrong. */
export async function listFolders(spec: DatasetSpec, folder: string): Promise<Listing> {
  const root = await readFolder(folder, { name: spec.root, field: 'root' })
  if (root.problem) return emptyListing(root.problem)
  const images = await readSubfolder(spec, folder, 'imageSubfolder')
  const masks = await readSubfolder(spec, folder, 'annotationSubfolder')
  const entries: Entry[] = []
  for (const [stem, image] of images.byStem) {
    const mask = masks.byStem.get(stem)
    if (mask !== undefined) entries.push({ stem, image, mask: { kind: 'File', file: mask } })
  }
  entries.sort((a, b) => naturalOrder(a.stem, b.stem))
  const unpairedImages = masks.missing ? [] : missingFrom(images.byStem, masks.byStem)
  const unpairedMasks = images.missing ? [] : missingFrom(masks.byStem, images.byStem)
  const problems = [
    ...images.problems,
    ...masks.problems,
    ...unpairedImages.map((file) => withoutMask(file, spec.annotationSubfolder)),
    ...unpairedMasks.map((file) => withoutImage(file, spec.imageSubfolder)),
  ]
  return { entries, unpairedImages, unpairedMasks, problems }
}

interface Subfolder {
  /** File relative to the root, by stem. */
  readonly byStem: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
  readonly missing: boolean
}

async function readSubfolder(
  spec: DatasetSpec,
  folder: string,
  field: 'imageSubfolder' | 'annotationSubfolder',
): Promise<Subfolder> {
  const subfolder = spec[field]
  const read = await readFolder(join(folder, subfolder), { name: join(spec.root, subfolder), field })
  if (read.problem) return { byStem: new Map(), problems: [read.problem], missing: true }
  const byStem = new Map<string, string>()
  const problems: Problem[] = []
  for (const name of read.names) {
    const file = join(subfolder, name).replaceAll('\\', '/')
    const { name: stem, ext } = parse(name)
    const other = byStem.get(stem)
    if (!IMAGE_EXTENSIONS.includes(ext.slice(1).toLowerCase())) problems.push(notRead(file))
    else if (other !== undefined) problems.push(sameStem(file, other))
    else byStem.set(stem, file)
  }
  return { byStem, problems, missing: false }
}

/** The names in a folder, hidden ones left out, in natural order; or why it cannot be read. */
async function readFolder(
  path: string,
  what: { name: string; field: keyof DatasetSpec },
): Promise<{ names: string[]; problem?: undefined } | { problem: Problem }> {
  try {
    const names = await readdir(path)
    return { names: names.filter((name) => !name.startsWith('.')).sort(naturalOrder) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const reason =
      code === 'ENOENT'
        ? 'does not exist'
        : code === 'ENOTDIR'
          ? 'is not a folder'
          : `cannot be read (${code})`
    const remedy = `Create it, or correct dataset.${what.field}.`
    return {
      problem: { field: what.field, message: `the folder ${what.name} ${reason}`, remedy, fatal: true },
    }
  }
}

function missingFrom(these: ReadonlyMap<string, string>, those: ReadonlyMap<string, string>): string[] {
  return [...these].filter(([stem]) => !those.has(stem)).map(([, file]) => file)
}

function withoutMask(file: string, annotationSubfolder: string): Problem {
  const mask = `${join(annotationSubfolder, parse(file).name).replaceAll('\\', '/')}.png`
  return { file, message: `${file} has no mask`, remedy: `Add ${mask}, or take the image away.`, fatal: true }
}

function withoutImage(file: string, imageSubfolder: string): Problem {
  const message = `${file} has no image of the same name in ${imageSubfolder}; it is left out`
  return { file, message, remedy: 'Add the image, or take the mask away.', fatal: false }
}

function sameStem(file: string, other: string): Problem {
  const message = `${file} and ${other} differ in their ending only, so it is unclear which one is meant`
  return { file, message, remedy: 'Keep one of the two.', fatal: true }
}

function notRead(file: string): Problem {
  const message = `${file} is neither a PNG nor a JPEG file; it is left out`
  return { file, message, remedy: 'Convert it to PNG or JPEG, or take it away.', fatal: false }
}
