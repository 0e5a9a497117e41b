// Inspects every file of a partition's data set before round 1, and reports its contents and its problems by file name. It
// decodes each file once, so no round fails later because of a bad file. Returns plain data: judge.ts finds the problems,
// report.ts formats them.
import { canonicalJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { countLabels, countSizes, histogram, type LabelCount, type SizeCount } from './counts.ts'
import type { DatasetSpec, Entry, Listing, Problem } from './dataset.ts'
import { memoryOfEntry, readEntry } from './entry-files.ts'
import type { Unusable, Usable } from './inspected.ts'
import { judge } from './judge.ts'
import { listEntries } from './listing.ts'
import { selectLabels } from './masks.ts'
import { MemoryBudget } from './memory-budget.ts'
import { type Split, splitStems } from './split.ts'

/** What a data set holds. All lists are sorted; JSON-safe. */
export interface DatasetReport {
  readonly layout: DatasetSpec['layout']
  /** Images with a mask of the same size, both readable. */
  readonly images: number
  /** The same images by use, without those with an empty mask. */
  readonly split: Split
  readonly sizes: readonly SizeCount[]
  /** Every label in the masks: its pixels over all images, and the number of images that contain it. */
  readonly labels: readonly LabelCount[]
  /** Stems of images without a pixel of the selected labels: training and evaluation leave them out. */
  readonly emptyMasks: readonly string[]
  /** Stems of images whose object has no pixel at the model's resolution; empty where no model is known. */
  readonly vanishing: readonly string[]
  readonly unpairedImages: readonly string[]
  readonly unpairedMasks: readonly string[]
  readonly unreadable: readonly string[]
  /** Masks whose size differs from their image's. */
  readonly otherSize: readonly string[]
  /** SHA-256 over the sorted stems with the digests of their image and mask files. */
  readonly digest: string
  readonly problems: readonly Problem[]
}

/** A 0/1 mask of an image, [height, width]. */
export interface TrueMask {
  readonly width: number
  readonly height: number
  readonly mask: Uint8Array
}

/** The mask at the model's resolution, 0/1, as training sees it. */
export type ModelView = (truth: TrueMask) => Uint8Array

/** Entries that are read at the same time: enough to use the cores while files are read. */
const CONCURRENCY = 4
/** Bytes that these entries may take together when decoded: bounds the memory of the preflight. */
const MOST_BYTES = 2 ** 30

/**
 * Inspects the data set in `folder` (the resolved `spec.root`). `view` converts a mask to the model's resolution. Does not throw
 * for faults of the data or of the specification: the report's `problems` list them.
 */
export async function inspectDataset(
  spec: DatasetSpec,
  folder: string,
  view?: ModelView,
): Promise<DatasetReport> {
  const listing = await listEntries(spec, folder)
  const inspected = await inspectEntries(listing, { spec, folder, view })
  const usable = inspected.filter((one) => 'pixels' in one)
  const bad = inspected.filter((one) => 'problem' in one)
  const stemsOf = (chosen: readonly Usable[]): string[] => chosen.map(({ entry }) => entry.stem)
  const { split, problem } = trySplit(stemsOf(usable.filter(({ empty }) => !empty)), spec)
  const labels = countLabels(usable.map(({ pixels }) => pixels))
  const namesOf = (what: Unusable['what']): string[] =>
    bad.filter((one) => one.what === what).map((one) => one.problem.file)
  return {
    layout: spec.layout,
    images: usable.length,
    split,
    sizes: countSizes(usable),
    labels,
    emptyMasks: stemsOf(usable.filter(({ empty }) => empty)),
    vanishing: stemsOf(usable.filter(({ vanishes }) => vanishes)),
    unpairedImages: listing.unpairedImages,
    unpairedMasks: listing.unpairedMasks,
    unreadable: namesOf('Unreadable'),
    otherSize: namesOf('OtherSize'),
    digest: sha256(
      canonicalJson(inspected.map((one) => [one.entry.stem, 'digest' in one ? one.digest : ''])),
    ),
    problems: judge(spec, { listing, usable, bad, labels, split, splitProblem: problem }),
  }
}

interface Inspection {
  readonly spec: DatasetSpec
  readonly folder: string
  readonly view: ModelView | undefined
}

/** Inspects all entries, in the order of the listing. */
async function inspectEntries(listing: Listing, context: Inspection): Promise<(Usable | Unusable)[]> {
  const inspected: (Usable | Unusable)[] = []
  const budget = new MemoryBudget(MOST_BYTES)
  const inspect = async (entry: Entry): Promise<Usable | Unusable> =>
    budget.run(await memoryOfEntry(entry, context.folder), () => inspectEntry(entry, context))
  for (let at = 0; at < listing.entries.length; at += CONCURRENCY) {
    inspected.push(...(await Promise.all(listing.entries.slice(at, at + CONCURRENCY).map(inspect))))
  }
  return inspected
}

async function inspectEntry(entry: Entry, { spec, folder, view }: Inspection): Promise<Usable | Unusable> {
  const content = await readEntry(entry, folder, spec.labels)
  if (content.kind !== 'Read') {
    const { kind, ...problem } = content
    return { entry, what: kind, problem: { ...problem, fatal: true } }
  }
  const { width, height, data } = content.image
  const mask = selectLabels(content.map, spec.labels)
  const empty = !mask.includes(1)
  return {
    entry,
    digest: content.digest,
    width,
    height,
    header: content.header,
    pixels: histogram(content.map),
    empty,
    vanishes: !empty && view !== undefined && !view({ width, height, mask }).includes(1),
    brightest: content.header.depth === 8 ? 255 : data.reduce((a, b) => Math.max(a, b), 0),
  }
}

function trySplit(stems: readonly string[], spec: DatasetSpec): { split: Split; problem?: Problem } {
  try {
    return { split: splitStems(stems, spec) }
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    const { message, remedy } = error
    const problem: Problem = { field: 'groupPattern', message, remedy, fatal: true }
    return { split: { train: [], heldOut: [], gap: [] }, problem }
  }
}
