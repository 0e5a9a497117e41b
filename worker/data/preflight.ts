// Looks at every file of a partition's data set before round 1 and says what is there and what is wrong with it, by
// name. Decodes everything once, so that no round fails on a file that could have been known to be bad.
// Returns plain data: whether a problem stops the run is in `fatal`, what people read is made in report.ts.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { drawObjects } from './coco.ts'
import {
  countLabels,
  countSizes,
  histogram,
  type LabelCount,
  type SizeCount,
  selectedPixels,
} from './counts.ts'
import type { DatasetSpec, Entry, LabelMap, Problem } from './dataset.ts'
import { decodeImage } from './images.ts'
import { listEntries } from './listing.ts'
import { decodeMask } from './masks.ts'
import { type Split, splitStems } from './split.ts'

/** What a data set holds. All lists are sorted; JSON-safe. */
export interface DatasetReport {
  /** Images with a mask of the same size, both readable. */
  readonly images: number
  /** Of these, by use. Images with an empty mask are in none of them. */
  readonly split: Split
  readonly sizes: readonly SizeCount[]
  /** Every value that occurs in the masks: its pixels in all, and the images that hold it. */
  readonly labels: readonly LabelCount[]
  /** Stems without a pixel of the selected labels: left out of training and evaluation. */
  readonly emptyMasks: readonly string[]
  readonly unpairedImages: readonly string[]
  readonly unpairedMasks: readonly string[]
  readonly unreadable: readonly string[]
  /** Masks of another size than their image. */
  readonly otherSize: readonly string[]
  /** SHA-256 over the sorted stems with the digests of their image and mask files. */
  readonly digest: string
  readonly problems: readonly Problem[]
}

/** One entry, looked at. */
type Finding =
  | { readonly kind: 'Problem'; readonly what: 'Unreadable' | 'OtherSize'; readonly problem: Problem }
  | {
      readonly kind: 'Usable'
      readonly width: number
      readonly height: number
      readonly pixels: ReadonlyMap<number, number>
    }

interface Inspected {
  readonly entry: Entry
  readonly digest: string
  readonly finding: Finding
}

/** Files that are read at once. */
const CONCURRENCY = 4

/**
 * Inspects the data set in `folder` (spec.root, resolved). Never throws for what the data or the specification got wrong:
 * that stands in `problems`.
 */
export async function inspectDataset(spec: DatasetSpec, folder: string): Promise<DatasetReport> {
  const listing = await listEntries(spec, folder)
  const inspected: Inspected[] = []
  for (let at = 0; at < listing.entries.length; at += CONCURRENCY) {
    const batch = listing.entries.slice(at, at + CONCURRENCY)
    inspected.push(...(await Promise.all(batch.map((entry) => inspectEntry(entry, folder, spec.labels)))))
  }
  const usable = inspected.flatMap(({ entry, finding }) =>
    finding.kind === 'Usable' ? [{ entry, finding }] : [],
  )
  const isEmpty = ({ finding }: (typeof usable)[number]): boolean =>
    selectedPixels(finding.pixels, spec.labels) === 0
  const emptyMasks = usable.filter(isEmpty).map(({ entry }) => entry.stem)
  const labels = countLabels(usable.map(({ finding }) => finding.pixels))
  const { split, problem } = trySplit(
    usable.filter((one) => !isEmpty(one)).map(({ entry }) => entry.stem),
    spec,
  )
  const bad = inspected.flatMap(({ finding }) => (finding.kind === 'Problem' ? [finding] : []))
  const problems = [
    ...listing.problems,
    ...bad.map((finding) => finding.problem),
    ...labelProblems(spec, { entries: listing.entries.length, usable: usable.length, emptyMasks, labels }),
    ...splitProblems(spec, split, problem),
  ]
  const namesOf = (what: 'Unreadable' | 'OtherSize'): string[] =>
    bad.filter((finding) => finding.what === what).map((finding) => finding.problem.file!)
  return {
    images: usable.length,
    split,
    sizes: countSizes(usable.map(({ finding }) => finding)),
    labels,
    emptyMasks,
    unpairedImages: listing.unpairedImages,
    unpairedMasks: listing.unpairedMasks,
    unreadable: namesOf('Unreadable'),
    otherSize: namesOf('OtherSize'),
    digest: sha256(canonicalJson(inspected.map(({ entry, digest }) => [entry.stem, digest]))),
    problems: partitionProblems(spec, listing.entries.length, problems),
  }
}

async function inspectEntry(entry: Entry, folder: string, labels: readonly number[]): Promise<Inspected> {
  const digests: string[] = []
  const readDigested = async (file: string): Promise<Uint8Array> => {
    const content = await readFile(join(folder, file))
    digests.push(sha256(content))
    return content
  }
  const mask = entry.mask
  const readMask = async (): Promise<LabelMap> => {
    if (mask.kind === 'File') return decodeMask(await readDigested(mask.file))
    digests.push(sha256(canonicalJson(mask)))
    return drawObjects(mask, labels)
  }
  const image = await attempt(entry.image, async () => decodeImage(await readDigested(entry.image)))
  const map = await attempt(mask.file, readMask)
  const digest = sha256(digests.join(' '))
  if ('fatal' in image)
    return { entry, digest, finding: { kind: 'Problem', what: 'Unreadable', problem: image } }
  if ('fatal' in map) return { entry, digest, finding: { kind: 'Problem', what: 'Unreadable', problem: map } }
  const { width, height } = image
  if (map.width !== width || map.height !== height) {
    const problem = otherSize(entry, `${map.width}x${map.height}`, `${width}x${height}`)
    return { entry, digest, finding: { kind: 'Problem', what: 'OtherSize', problem } }
  }
  return { entry, digest, finding: { kind: 'Usable', width, height, pixels: histogram(map) } }
}

async function attempt<T extends object>(file: string, work: () => Promise<T>): Promise<T | Problem> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof FedsamError)
      return { file, message: `${file} ${error.message}`, remedy: error.remedy, fatal: true }
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    const message = `${file} cannot be read (${code})`
    return { file, message, remedy: 'Check that the file is there and may be read.', fatal: true }
  }
}

function otherSize(entry: Entry, mask: string, image: string): Problem {
  const file = entry.mask.kind === 'File' ? entry.mask.file : entry.image
  const what = entry.mask.kind === 'File' ? file : `the annotation of ${entry.image}`
  const message = `${what} is ${mask} pixels, its image ${image}`
  return { file, message, remedy: 'Export the mask at the size of its upright image.', fatal: true }
}

function labelProblems(
  spec: DatasetSpec,
  found: {
    readonly entries: number
    readonly usable: number
    readonly emptyMasks: readonly string[]
    readonly labels: DatasetReport['labels']
  },
): Problem[] {
  if (found.usable === 0) return []
  const present = found.labels.map(({ label }) => label).filter((label) => label !== 0)
  const values = present.length === 0 ? 'only 0' : `the values 0, ${listed(present)}`
  if (found.emptyMasks.length === found.usable) {
    const message =
      spec.labels.length === 0
        ? 'no mask holds a non-zero pixel'
        : `no mask holds one of the labels ${spec.labels.join(', ')}; they hold ${values}`
    return [{ field: 'labels', message, remedy: 'Correct dataset.labels, or the masks.', fatal: true }]
  }
  const absent = spec.labels.filter((label) => label !== 0 && !present.includes(label))
  const remedy =
    'Nothing, if the object is not in these images; otherwise correct the masks or dataset.labels.'
  const problems: Problem[] = found.emptyMasks.map((stem) => ({
    file: stem,
    message: `the mask of ${stem} is empty; the image is left out`,
    remedy,
    fatal: false,
  }))
  if (absent.length > 0) {
    const message = `no mask holds the label ${absent.join(', ')}; they hold ${values}`
    problems.push({ field: 'labels', message, remedy, fatal: false })
  }
  return problems
}

function listed(labels: readonly number[]): string {
  return labels.length <= 8 ? labels.join(', ') : `${labels.slice(0, 8).join(', ')} … ${labels.at(-1)}`
}

function trySplit(stems: readonly string[], spec: DatasetSpec): { split: Split; problem?: Problem } {
  try {
    return { split: splitStems(stems, spec) }
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    const problem: Problem = {
      field: 'groupPattern',
      message: error.message,
      remedy: error.remedy,
      fatal: true,
    }
    return { split: { train: [], heldOut: [], gap: [] }, problem }
  }
}

function splitProblems(spec: DatasetSpec, split: Split, problem: Problem | undefined): Problem[] {
  if (problem) return [problem]
  if (spec.heldOutFraction <= 0 || split.heldOut.length > 0 || split.train.length === 0) return []
  const message =
    spec.groupPattern === ''
      ? 'a single usable image is trained on, so none is held out to evaluate with'
      : 'all images are of one group, so none is held out to evaluate with'
  return [
    { field: 'heldOutFraction', message, remedy: 'Add data, or evaluate on other partitions.', fatal: false },
  ]
}

/** An empty partition is a problem of its own only where nothing else explains it. */
function partitionProblems(
  spec: DatasetSpec,
  entries: number,
  problems: readonly Problem[],
): readonly Problem[] {
  if (entries > 0 || problems.some((problem) => problem.fatal)) return problems
  const where =
    spec.layout === 'COCO' ? spec.annotationsFile : `${spec.imageSubfolder} and ${spec.annotationSubfolder}`
  const message = `the data set ${spec.root} is empty: there is no image with a mask in ${where}`
  return [
    ...problems,
    { field: 'root', message, remedy: 'Put the data there, or correct dataset.root.', fatal: true },
  ]
}
