// A site as its file describes it: types, defaults, absolute paths. Guarantees that two parts of a file that do not fit together are a
// problem with a place. The command line has checked the structure before (cli/site/load.ts). Pure.
import { resolve } from 'node:path'
import { applyDefaults } from '#protocol/defaults.ts'
import { type JobName, jobNameOf } from '#protocol/sites.ts'
import { SITE_FILE_SCHEMA } from './schema.ts'

/** Field names and list indices from the root of the file. */
export type SitePath = readonly (string | number)[]

export interface Limits {
  readonly rounds?: number
  readonly updates?: number
  readonly updatesPerDay?: number
  readonly evaluations?: number
  readonly smallestCohort?: number
}

export interface SiteDataset {
  /** Absolute. */
  readonly path: string
  readonly layout: 'Folders' | 'COCO'
  readonly imageSubfolder: string
  readonly annotationSubfolder: string
  readonly annotationsFile: string
  readonly groupPattern: string
  readonly labels: readonly number[]
  readonly heldOutFraction: number
  readonly limits: Limits
}

export interface SiteTrainer {
  readonly command: readonly string[]
  /** The command that a job names. */
  readonly jobCommand: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly config: readonly string[]
}

export interface ListedJob {
  readonly job: JobName
  readonly dataset: string
  readonly trainer: string
}

export interface Federation {
  readonly name: string
  readonly trust: readonly string[]
  readonly bus: string
  /** The origin of the store: https://host, without a path. */
  readonly store: string
  /** Absolute path of certificates that replace the system's roots. */
  readonly ca?: string
  readonly proxy?: string
  readonly jobs: readonly ListedJob[]
}

export interface Site {
  /** Its file, as the user named it. */
  readonly file: string
  /** Absolute path of the key. */
  readonly key: string
  /** Absolute path of the site's own state. */
  readonly folder: string
  readonly federations: readonly Federation[]
  readonly datasets: Readonly<Record<string, SiteDataset>>
  readonly trainers: Readonly<Record<string, SiteTrainer>>
  /** A trainer that is silent for so many seconds has failed. */
  readonly noProgressSeconds: number
  readonly models: readonly string[]
  /** Whether the states of clients may leave. */
  readonly states: boolean
  readonly metrics: { readonly share: boolean; readonly names: readonly string[] }
  /** The line of the file that has this field; for an absent field, that of the nearest field around it. */
  lineOf(path: SitePath): number
}

/** The name of the trainer that every site has. */
export const BUILT_IN = 'SegmentAnything'

/** Where a file is, and the lines of its fields. */
export interface FilePlace {
  readonly file: string
  /** The absolute path of its folder. */
  readonly folder: string
  lineOf(path: SitePath): number
}

type Written<T> = { readonly [K in keyof T]?: T[K] }
type WrittenTrainer = Written<SiteTrainer> & Pick<SiteTrainer, 'command' | 'env' | 'config'>
type WrittenFederation = Omit<Federation, 'jobs'> & {
  readonly jobs: readonly { readonly job: string; readonly dataset: string; readonly trainer: string }[]
}
interface WrittenSite extends Omit<Site, 'federations' | 'trainers'> {
  readonly federations: readonly WrittenFederation[]
  readonly trainers: Readonly<Record<string, WrittenTrainer>>
}

/** The site of a value that has the schema's structure. */
export function siteOf(value: unknown, { file, folder, lineOf }: FilePlace): Site {
  const written = applyDefaults(SITE_FILE_SCHEMA, value) as WrittenSite
  const absolute = (path: string): string => resolve(folder, path)
  return {
    file,
    lineOf,
    key: absolute(written.key),
    folder: absolute(written.folder),
    federations: written.federations.map((federation) => ({
      ...federation,
      ...(federation.ca === undefined ? {} : { ca: absolute(federation.ca) }),
      store: new URL(federation.store).origin,
      jobs: federation.jobs.map((listed) => ({ ...listed, job: jobNameOf(listed.job)! })),
    })),
    datasets: mapped(written.datasets, (dataset) => ({ ...dataset, path: absolute(dataset.path) })),
    trainers: mapped(written.trainers, (trainer) => ({ jobCommand: trainer.command, ...trainer })),
    noProgressSeconds: written.noProgressSeconds,
    models: written.models,
    states: written.states,
    metrics: written.metrics,
  }
}

/** Maps the values of an object; a name such as toString is a name as any other. */
function mapped<A, B>(object: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(value)]))
}
