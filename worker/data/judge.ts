// Converts the findings about a data set to problems with a message and a remedy. Pure. A problem that keeps the partition from
// training is fatal; one about left-out images, or a change of what the model sees, has a count and names.
import { counted, listed } from '#protocol/text.ts'
import type { LabelCount } from './counts.ts'
import type { DatasetSpec, Listing, Problem } from './dataset.ts'
import type { Unusable, Usable } from './inspected.ts'
import type { Split } from './split.ts'

export interface Findings {
  readonly listing: Listing
  readonly usable: readonly Usable[]
  readonly bad: readonly Unusable[]
  readonly labels: readonly LabelCount[]
  readonly split: Split
  readonly splitProblem: Problem | undefined
}

/** Every problem, those of the listing first. */
export function judge(spec: DatasetSpec, findings: Findings): Problem[] {
  const { listing, usable, bad } = findings
  const problems = [
    ...listing.problems,
    ...bad.map(({ problem }) => problem),
    ...labelProblems(spec, findings),
    ...vanishingProblem(usable),
    ...depthProblems(usable),
    ...colourProblem(usable),
    ...splitProblems(spec, findings),
  ]
  const unexplained = listing.entries.length === 0 && !problems.some(({ fatal }) => fatal)
  return unexplained ? [...problems, emptyProblem(spec)] : problems
}

function labelProblems(spec: DatasetSpec, { usable, labels }: Findings): Problem[] {
  if (usable.length === 0) return []
  const noun = spec.layout === 'COCO' ? 'category' : 'label'
  const present = labels.map(({ label }) => label).filter((label) => label >= 0)
  const objects = spec.layout === 'COCO' ? present : present.filter((label) => label !== 0)
  const held = objects.length === 0 ? 'they hold none' : `they hold ${listed(objects)}`
  const empty = usable.filter((one) => one.empty)
  if (empty.length === usable.length) {
    const message =
      spec.labels.length === 0
        ? `no mask holds an object (a ${spec.layout === 'COCO' ? 'category' : 'value other than 0'})`
        : `no mask holds one of the ${noun === 'label' ? 'labels' : 'categories'} ${listed(spec.labels)}; ${held}`
    return [{ field: 'labels', message, remedy: 'Correct dataset.labels, or the masks.', fatal: true }]
  }
  const absent = spec.labels.filter((label) => !present.includes(label))
  const remedy =
    'Nothing, if the object is not in these images; otherwise correct the masks or dataset.labels.'
  const problems: Problem[] = []
  if (empty.length > 0) {
    const message = `${counted(empty.length, 'image')} with an empty mask (no pixel of the object); left out: ${namesOf(empty)}`
    problems.push({ field: 'labels', message, remedy, fatal: false })
  }
  if (absent.length > 0) {
    const message = `no mask holds the ${noun} ${listed(absent)}; ${held}`
    problems.push({ field: 'labels', message, remedy, fatal: false })
  }
  return problems
}

function namesOf(chosen: readonly Usable[]): string {
  return listed(chosen.map(({ entry }) => entry.stem))
}

/** Training with an empty true mask teaches the model to find nothing. */
function vanishingProblem(usable: readonly Usable[]): Problem[] {
  const small = usable.filter(({ vanishes }) => vanishes)
  if (small.length === 0) return []
  const message = `${counted(small.length, 'object')} too small for the model: no pixel is left at the resolution that is trained on: ${namesOf(small)}`
  const remedy =
    'Cut these images into tiles around their objects, use a checkpoint with larger masks, or take them away: they teach the model to find nothing.'
  return [{ message, remedy, fatal: false }]
}

/** The model sees 8 bits. Of more bits it sees the high byte, so that 12-bit values in 16-bit files look black. */
function depthProblems(usable: readonly Usable[]): Problem[] {
  const deep = usable.filter(({ header }) => header.depth > 8)
  const shallow = usable.filter(({ header }) => header.depth < 8 && !header.palette)
  const problems: Problem[] = []
  if (deep.length > 0) {
    const brightest = deep.reduce((most, one) => Math.max(most, one.brightest), 0)
    const message = `${counted(deep.length, 'image')} of 16 bits a channel: the model sees the high byte (the value divided by 256), here up to level ${brightest} of 255: ${namesOf(deep)}`
    const remedy =
      'Scale the intensities that matter to the whole range, or save 8-bit images, where this is too dark or too coarse.'
    problems.push({ message, remedy, fatal: false })
  }
  if (shallow.length > 0) {
    const message = `${counted(shallow.length, 'image')} of fewer than 8 bits: the values are spread over 0 to 255: ${namesOf(shallow)}`
    const remedy = 'Nothing, if these are images and not masks.'
    problems.push({ message, remedy, fatal: false })
  }
  return problems
}

function colourProblem(usable: readonly Usable[]): Problem[] {
  const cmyk = usable.filter(({ header }) => header.format === 'JPEG' && header.channels === 4)
  if (cmyk.length === 0) return []
  const message = `${counted(cmyk.length, 'image')} in CMYK colours: converted to RGB as Pillow does, without a colour profile: ${namesOf(cmyk)}`
  return [{ message, remedy: 'Save them as RGB where exact colours matter.', fatal: false }]
}

function splitProblems(spec: DatasetSpec, { split, splitProblem }: Findings): Problem[] {
  if (splitProblem) return [splitProblem]
  if (spec.heldOutFraction <= 0 || split.heldOut.length > 0 || split.train.length === 0) return []
  const message =
    spec.groupPattern === ''
      ? 'a single usable image is trained on, so no image is held out to evaluate with'
      : 'all images are of one group, so no image is held out to evaluate with'
  return [
    { field: 'heldOutFraction', message, remedy: 'Add data, or evaluate on other partitions.', fatal: false },
  ]
}

/** An empty partition is reported only where no other problem explains it. */
function emptyProblem(spec: DatasetSpec): Problem {
  const where =
    spec.layout === 'COCO' ? spec.annotationsFile : `${spec.imageSubfolder} and ${spec.annotationSubfolder}`
  const message = `the data set ${spec.root} is empty: there is no image with a mask in ${where}`
  return { field: 'root', message, remedy: 'Put the data there, or correct dataset.root.', fatal: true }
}
