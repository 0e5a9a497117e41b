// Reads and checks the environment variables of the worker's programs; one error names all faults. docs/programs.md lists the
// variables. Credentials are not among them: they come from files and from the AWS SDK's own chain.
import * as v from 'valibot'
import { BUS, CHILD_TRAINER, POD_TRAINER, SOURCE, WORKER } from '#protocol/environment.ts'
import { memberName } from '#protocol/identity.ts'
import { uidOf } from '#protocol/messages.ts'
import { PublicKey } from '#protocol/signatures.ts'
import { shortened } from '#protocol/text.ts'
import type { ChildProgram } from '#runtime/children/child-process.ts'
import {
  type Environment,
  excludedBy,
  flag,
  json,
  names,
  optional,
  type Read,
  type Rule,
  readVariables,
  required,
  seconds,
} from '#runtime/environment.ts'
import type { NatsOptions } from '#transport/bus/nats/bus.ts'
import { BUS_RULES, natsOptions } from '#transport/environment.ts'
import type { S3Options } from '#transport/store/s3/client.ts'

/** Default wait for an answer, in seconds: well above the time that a coordinator holds a request open. */
const ANSWER_SECONDS = 30

/** How the network half reaches its trainer: as a child process, or through the FIFOs of a folder that both containers mount. */
export type TrainerPlace =
  | { readonly kind: 'Child'; readonly program: ChildProgram }
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
  /** Public keys whose certificates of coordinators count. */
  readonly trust: readonly string[]
  /** What the URLs of grants must begin with. */
  readonly stores: readonly string[]
  /** Path of the client's own key; '' for a new key at each start. */
  readonly keyFile: string
  readonly nats: NatsOptions
}

export interface SourceSettings {
  /** s3://bucket/prefix, for messages. */
  readonly uri: string
  readonly s3: S3Options
  /** The folder that the files are written to. */
  readonly folder: string
}

/** Beginnings of URLs, comma separated; one at least. */
const stores: Rule<readonly string[]> = (text) => {
  const found = names(required(text))
  const wrong = found.find(
    (store) => store !== 'https:' && !(URL.canParse(store) && /^https?:\/\/.+\/$/.test(store)),
  )
  if (wrong !== undefined) throw new RangeError(`: ${shortened(wrong, 100)} is not the URL of a bucket`)
  return found.map((store) => (store === 'https:' ? store : new URL(store).href))
}

/** One public key or more, comma separated. */
const publicKeys: Rule<readonly string[]> = (text) => {
  const keys = names(required(text))
  const wrong = keys.find((key) => !v.is(PublicKey, key))
  if (wrong !== undefined) throw new RangeError(`: ${shortened(wrong, 100)} is not a public key`)
  return keys
}

const WORKER_RULES = {
  client: required,
  subjects: required,
  scratch: required,
  noProgressSeconds: seconds(),
  answerSeconds: seconds(ANSWER_SECONDS),
  trust: publicKeys,
  stores,
  keyFile: optional,
}

/** Settings of worker/main.ts. Throws InvalidJob. */
export function workerSettings(env: Environment): WorkerSettings {
  const table = { ...WORKER, ...BUS, ...CHILD_TRAINER }
  const rules = { ...WORKER_RULES, ...BUS_RULES }
  if (env[POD_TRAINER.seam.name]) {
    const read = readVariables(
      env,
      { ...table, ...POD_TRAINER },
      { ...rules, trainer: excludedBy(POD_TRAINER.seam.name), seam: required, cache: required, base: flag },
    )
    const { seam, cache, base = false } = read
    return settingsFrom(read, { kind: 'Pod', seam, cache, base })
  }
  const read = readVariables(env, table, { ...rules, trainer: (text) => json(required(text)) })
  return settingsFrom(read, { kind: 'Child', program: read.trainer as ChildProgram })
}

function settingsFrom(
  read: Read<typeof WORKER_RULES & typeof BUS_RULES>,
  trainer: TrainerPlace,
): WorkerSettings {
  const { client, subjects, scratch, noProgressSeconds, answerSeconds } = read
  const { trust, stores, keyFile } = read
  const nats = natsOptions(read, `worker-${client}`, memberName(uidOf(subjects), { role: 'client', client }))
  const keys = { trust, stores, keyFile }
  return { client, subjects, scratch, trainer, noProgressSeconds, answerSeconds, ...keys, nats }
}

/** Splits s3://bucket/prefix. */
const address: Rule<{ uri: string; bucket: string; prefix: string }> = (text) => {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(required(text))
  if (match === null) throw new RangeError(`: ${text} is not s3://bucket/prefix`)
  return { uri: text, bucket: match[1]!, prefix: match[2] ?? '' }
}

/**
 * Settings of worker/source/main.ts. The environment of the source's own Secret may override endpoint and region. Throws
 * InvalidJob.
 */
export function sourceSettings(env: Environment): SourceSettings {
  const read = readVariables(env, SOURCE, {
    sourceUri: address,
    sourceFolder: required,
    sourceEndpoint: optional,
    sourceRegion: optional,
    sourceForcePathStyle: flag,
    requireTls: flag,
  })
  const { uri, bucket, prefix } = read.sourceUri
  const own = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL
  const endpoint = own || read.sourceEndpoint
  const region = env.AWS_REGION || read.sourceRegion
  const forcePathStyle = own ? undefined : read.sourceForcePathStyle
  return {
    uri,
    folder: read.sourceFolder,
    s3: {
      bucket,
      prefix,
      ...(endpoint ? { endpoint } : {}),
      ...(region ? { region } : {}),
      ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
      ...(read.requireTls ? { requireTls: true } : {}),
    },
  }
}
