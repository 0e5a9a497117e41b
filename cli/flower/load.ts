// Loads the job that a command names: a job file, or the folder of a Flower app, whose job is made on the way.
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { UsageError } from '../commands/command.ts'
import { type LoadedJob, loadBytes, loadJob } from '../job/load.ts'
import { readAppFolder } from './app-folder.ts'
import { appJob } from './app-job.ts'

/** The options that only an app's folder has, as the command line has them. */
export const APP_OPTIONS = {
  clients: { type: 'string' },
  'run-config': { type: 'string', multiple: true },
} as const

export interface AppOptions {
  readonly clients?: number
  /** As `flwr run --run-config` takes them. */
  readonly runConfig?: readonly string[]
}

/** Throws UsageError. */
export function appOptions(values: {
  readonly clients?: string
  readonly 'run-config'?: string[]
}): AppOptions {
  const { clients, 'run-config': runConfig } = values
  if (clients !== undefined && !/^[1-9][0-9]{0,5}$/.test(clients))
    throw new UsageError(`--clients ${clients} is no number of clients: write a whole number from 1`)
  return {
    ...(clients === undefined ? {} : { clients: Number(clients) }),
    ...(runConfig === undefined ? {} : { runConfig }),
  }
}

/** The YAML of the job of an app. Throws InvalidJob. */
export async function appYaml(
  folder: string,
  { clients, runConfig = [] }: AppOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const project = await readAppFolder(folder, runConfig, env)
  // Words such as "yes" and "007" keep their quotes, so that every reader of YAML gets text.
  return stringify(appJob(project, clients), { lineWidth: 0, version: '1.1' })
}

/** Throws InvalidJob, and UsageError for options of an app with a job file. */
export async function loadJobOrApp(
  file: string,
  options: {
    readonly sets: readonly string[]
    readonly app: AppOptions
    readonly env: Readonly<Record<string, string | undefined>>
  },
): Promise<LoadedJob> {
  const { sets, app, env } = options
  if (await isFolder(file)) {
    const bytes = new TextEncoder().encode(await appYaml(file, app, env))
    return loadBytes({ file: join(file, 'pyproject.toml'), folder: resolve(file), bytes }, sets)
  }
  if (Object.keys(app).length > 0)
    throw new UsageError(
      `--clients and --run-config are for the folder of a Flower app; ${file} is a job file`,
    )
  return loadJob(file, sets)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
