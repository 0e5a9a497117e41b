// What the worker's programs read of their environment, in one place: checked, with all that is wrong in one error.
// docs/programs.md lists the variables. Credentials are never read here: files and the AWS SDK's own chain have them.
import { FedsamError } from '#protocol/errors.ts'
import type { Environment } from '#runtime/environment.ts'
import type { NatsOptions } from '#transport/bus/nats/bus.ts'
import { natsOptions } from '#transport/environment.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import type { TrainerProgram } from './trainer/spawned.ts'

/** Well above the time that a coordinator holds a request open. */
const ANSWER_SECONDS = 30

/** How the network half reaches its trainer: as its child, or through the FIFOs of a folder that both containers have. */
export type TrainerPlace =
  | { readonly kind: 'Child'; readonly program: TrainerProgram }
  | {
      readonly kind: 'Pod'
      readonly seam: string
      readonly cache: string
      /** Whether the trainer needs the run's base checkpoint. */
      readonly base: boolean
    }

export interface WorkerSettings {
  readonly client: string
  /** Subject prefix of the run. */
  readonly subjects: string
  readonly scratch: string
  readonly trainer: TrainerPlace
  readonly noProgressSeconds: number
  readonly answerSeconds: number
  /** '' where no coordinator asks for a token. */
  readonly tokenFile: string
  readonly nats: NatsOptions
}

export interface SourceSettings {
  /** s3://bucket/prefix, for people. */
  readonly uri: string
  readonly s3: S3Options
  /** Where the files go. */
  readonly folder: string
}

/** Of worker/main.ts. Throws InvalidJob. */
export function workerSettings(env: Environment): WorkerSettings {
  const reader = readerOf(env)
  const client = reader.text('FEDSAM_CLIENT')
  const settings = {
    client,
    subjects: reader.text('FEDSAM_SUBJECTS'),
    scratch: reader.text('FEDSAM_SCRATCH'),
    trainer: trainerPlace(env, reader),
    noProgressSeconds: reader.seconds('FEDSAM_NO_PROGRESS_SECONDS'),
    answerSeconds: reader.seconds('FEDSAM_ANSWER_SECONDS', ANSWER_SECONDS),
    tokenFile: env.FEDSAM_TOKEN_FILE ?? '',
  }
  reader.text('FEDSAM_NATS_URL')
  reader.finish()
  return { ...settings, nats: natsOptions(env, `worker-${client}`) }
}

function trainerPlace(env: Environment, reader: Reader): TrainerPlace {
  if (env.FEDSAM_SEAM) {
    if (env.FEDSAM_TRAINER) reader.complain('FEDSAM_SEAM and FEDSAM_TRAINER exclude each other')
    const base = reader.flag('FEDSAM_BASE')
    return { kind: 'Pod', seam: env.FEDSAM_SEAM, cache: reader.text('FEDSAM_CACHE'), base }
  }
  return { kind: 'Child', program: reader.json('FEDSAM_TRAINER') as TrainerProgram }
}

/** Of worker/source/main.ts. The source's own credentials may bring an endpoint and a region of their own. Throws InvalidJob. */
export function sourceSettings(env: Environment): SourceSettings {
  const reader = readerOf(env)
  const uri = reader.text('FEDSAM_SOURCE_URI')
  const folder = reader.text('FEDSAM_SOURCE_FOLDER')
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(uri)
  if (uri !== '' && match === null) reader.complain(`FEDSAM_SOURCE_URI: ${uri} is not s3://bucket/prefix`)
  const forcePathStyle = reader.flag('FEDSAM_SOURCE_FORCE_PATH_STYLE')
  reader.finish()
  const own = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL
  const endpoint = own || env.FEDSAM_SOURCE_ENDPOINT
  const region = env.AWS_REGION || env.FEDSAM_SOURCE_REGION
  const pathStyle = own || !env.FEDSAM_SOURCE_FORCE_PATH_STYLE ? {} : { forcePathStyle }
  return {
    uri,
    folder,
    s3: {
      bucket: match![1]!,
      prefix: match![2] ?? '',
      ...(endpoint ? { endpoint } : {}),
      ...(region ? { region } : {}),
      ...pathStyle,
    },
  }
}

type Reader = ReturnType<typeof readerOf>

/** Reads variables and gathers what is wrong with them. */
function readerOf(env: Environment) {
  const problems: string[] = []
  const complain = (problem: string): void => void problems.push(problem)
  const text = (name: string): string => {
    const value = env[name] ?? ''
    if (value === '') complain(`${name} is missing`)
    return value
  }
  return {
    complain,
    text,
    seconds(name: string, otherwise?: number): number {
      if (otherwise !== undefined && !env[name]) return otherwise
      const value = text(name)
      const seconds = Number(value)
      if (value !== '' && !(seconds > 0 && seconds < Number.POSITIVE_INFINITY))
        complain(`${name}: ${value} is not a number of seconds`)
      return seconds
    },
    flag(name: string): boolean {
      const value = env[name] || 'false'
      if (value !== 'true' && value !== 'false') complain(`${name}: ${value} is neither true nor false`)
      return value === 'true'
    },
    json(name: string): unknown {
      const value = text(name)
      if (value === '') return undefined
      try {
        return JSON.parse(value)
      } catch {
        complain(`${name} is not JSON`)
        return undefined
      }
    },
    /** Throws InvalidJob with all of it. */
    finish(): void {
      if (problems.length === 0) return
      throw new FedsamError('InvalidJob', `the environment: ${problems.join('; ')}`, {
        remedy: 'the operator and fedsam run set these variables; docs/programs.md lists them',
      })
    },
  }
}
