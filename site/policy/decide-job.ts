// Decides whether a site takes part in a job, and with what. The job is foreign: it may have been written to run a program, to read a
// file or to set a variable. Guarantees that every path, every word of a command and every variable comes from the site's own file.
// A reason names no path and no command of the site, because it travels. Pure.
import { isDeepStrictEqual } from 'node:util'
import { completeSpec } from '#protocol/defaults.ts'
import { shortened } from '#protocol/text.ts'
import { BUILT_IN, type Federation, type ListedJob, type Site, type SitePath } from '../file/site.ts'
import type { JobOffer, OfferedDataset, OfferedTrainer } from './offer.ts'

export type SegmentAnything = Extract<OfferedTrainer, { type: 'SegmentAnything' }>['segmentAnything']

/** What the site runs for a job. */
export type AllowedTrainer =
  | { readonly kind: 'SegmentAnything'; readonly settings: SegmentAnything }
  | {
      readonly kind: 'Command'
      readonly command: readonly string[]
      readonly env: Readonly<Record<string, string>>
      /** Names of the configuration that tasks may set. */
      readonly config: readonly string[]
    }

export interface AllowedJob {
  readonly kind: 'Allowed'
  readonly listed: ListedJob
  /** As the trainer gets it; `root` is the site's own absolute path. */
  readonly dataset: OfferedDataset
  readonly trainer: AllowedTrainer
}

export interface Refused {
  readonly kind: 'Refused'
  /** For people on both sides. */
  readonly reason: string
  /** The line of the site's file that decides. */
  readonly line: number
}

/** A part of a decision: the first refusal ends it. */
type Part<T> = { readonly is: T } | { readonly reason: string; readonly path: SitePath }

/** Decides about a job of this federation, which must be one of the site's. */
export function decideJob(site: Site, federation: Federation, offer: JobOffer): AllowedJob | Refused {
  const jobs: SitePath = ['federations', site.federations.indexOf(federation), 'jobs']
  const refuse = (reason: string, path: SitePath): Refused => ({
    kind: 'Refused',
    reason: shortened(reason, 1000),
    line: site.lineOf(path),
  })
  const at = federation.jobs.findIndex(({ job }) => `${job.namespace}/${job.name}` === offer.job)
  const listed = federation.jobs[at]
  if (listed === undefined) return refuse(`the site does not take part in the job ${offer.job}`, jobs)
  const limited = decideLimits(site, listed, offer)
  if ('reason' in limited) return refuse(limited.reason, limited.path)
  const dataset = decideDataset(site, listed, offer.dataset)
  if ('reason' in dataset) return refuse(dataset.reason, dataset.path)
  const trainer = decideTrainer(site, { listed, path: [...jobs, at] }, offer)
  if ('reason' in trainer) return refuse(trainer.reason, trainer.path)
  return { kind: 'Allowed', listed, dataset: dataset.is, trainer: trainer.is }
}

function decideLimits(site: Site, { dataset }: ListedJob, offer: JobOffer): Part<null> {
  const { rounds, smallestCohort } = site.datasets[dataset]!.limits
  const path = ['datasets', dataset, 'limits']
  if (rounds !== undefined && offer.rounds !== undefined && offer.rounds > rounds)
    return {
      reason: `spec.rounds is ${offer.rounds}, and the site allows at most ${rounds}`,
      path: [...path, 'rounds'],
    }
  if (smallestCohort !== undefined && offer.minFitClients < smallestCohort)
    return {
      reason: `spec.strategy.minFitClients is ${offer.minFitClients}, and the site wants at least ${smallestCohort}`,
      path: [...path, 'smallestCohort'],
    }
  return { is: null }
}

/** The fields of a data set that the site alone decides. A job may repeat the site's value, or leave the default. */
const OF_THE_SITE = [
  'layout',
  'imageSubfolder',
  'annotationSubfolder',
  'annotationsFile',
  'groupPattern',
  'labels',
  'heldOutFraction',
] as const

/** What a partition says about its data where its author writes nothing: one that trains, and one that only evaluates. */
const UNSAID = completeSpec({ partitions: [{ name: 'a' }, { name: 'b', train: false }] }).partitions.map(
  ({ dataset }) => dataset,
)

function decideDataset(
  site: Site,
  { dataset: name }: ListedJob,
  offered: OfferedDataset | undefined,
): Part<OfferedDataset> {
  const { path: root, limits: _, labels, ...own } = site.datasets[name]!
  const dataset = { ...own, root, labels: [...labels] }
  if (offered === undefined) return { is: dataset }
  const path = ['datasets', name]
  if (offered.root !== UNSAID[0]!.root)
    return {
      reason: 'dataset.root names a path; a job names none for a site: remove it',
      path: [...path, 'path'],
    }
  const foreign = OF_THE_SITE.find(
    (field) => ![dataset, ...UNSAID].some((known) => isDeepStrictEqual(known[field], offered[field])),
  )
  if (foreign === undefined) return { is: dataset }
  return {
    reason: `dataset.${foreign} differs from the site's, which alone decides it: remove it`,
    path: [...path, foreign],
  }
}

/** The entry of the list, and its place in the file. */
interface Entry {
  readonly listed: ListedJob
  readonly path: SitePath
}

function decideTrainer(
  site: Site,
  { listed, path }: Entry,
  { trainer: offered, base }: JobOffer,
): Part<AllowedTrainer> {
  const { trainer: name } = listed
  const own: SitePath = [...path, 'trainer']
  if (offered.type === 'SegmentAnything') {
    if (name !== BUILT_IN)
      return { reason: 'the job trains SegmentAnything, and the site allows a program of its own', path: own }
    return decideCheckpoint(site, base, offered.segmentAnything)
  }
  if (name === BUILT_IN)
    return { reason: 'the job names a command, and the site allows only SegmentAnything', path: own }
  return decideCommand(site, name, offered)
}

/** The site opens no address of a job: it gets the checkpoint's files from the store of the run, each with its digest. */
function decideCheckpoint(
  { models }: Site,
  base: JobOffer['base'],
  settings: SegmentAnything,
): Part<AllowedTrainer> {
  const { uri = 'none', digest } = base ?? {}
  if (models.length > 0 && !models.includes(uri) && !models.includes(`sha256:${digest}`))
    return { reason: `the checkpoint ${uri} is not one that the site allows`, path: ['models'] }
  return { is: { kind: 'SegmentAnything', settings } }
}

function decideCommand(
  site: Site,
  name: string,
  { command, config }: Extract<OfferedTrainer, { type: 'Command' }>,
): Part<AllowedTrainer> {
  const own = site.trainers[name]!
  const path = ['trainers', name]
  const words = [...command.command, ...command.args]
  if (!isSame(words, own.jobCommand))
    return { reason: 'the job names a command that the site did not install', path }
  if (command.env.length > 0)
    return {
      reason: `the job sets the variable ${shortened(command.env[0]!.name, 100)}; a site sets no variable of a job`,
      path: [...path, 'env'],
    }
  const setting = Object.keys(config).find((one) => !own.config.includes(one))
  if (setting !== undefined)
    return {
      reason: `trainer.config sets ${shortened(setting, 100)}, which the site does not allow`,
      path: [...path, 'config'],
    }
  if (site.models.length > 0 && !site.models.some((model) => model.startsWith('sha256:')))
    return { reason: 'the site allows only checkpoints of the Hub, and a command has none', path: ['models'] }
  return { is: { kind: 'Command', command: own.command, env: own.env, config: own.config } }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, at) => word === b[at])
}
