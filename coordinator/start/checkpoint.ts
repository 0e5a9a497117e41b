// The files that a run begins with, on this machine: its base checkpoint (hf://, s3://, a folder) and initial parameters (s3://, a
// file); and where the record lies that it starts from (s3:// alone: a pod has no other's folder). Once the record has them nothing is fetched. What is not there, not allowed or out of reach is CheckpointUnavailable: it
// may be one day; what is there and cannot be used is BadCheckpoint. Which S3 client, the caller chooses.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { RUN_KEY, resultKey } from '#protocol/keys.ts'
import type { Environment } from '#runtime/environment.ts'
import type { fetchCheckpoint } from '#transport/hugging-face/checkpoint.ts'
import type { CoordinatedJob, ObjectStore } from '#transport/ports.ts'
import type { S3Fetch } from '#transport/store/s3/checkpoint.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { readRecord } from '../record/markers.ts'
import type { LocalFiles } from '../settings/from-spec.ts'

export interface FileSources {
  readonly fetchHubCheckpoint: typeof fetchCheckpoint
  readonly fetchS3Checkpoint: (fetch: S3Fetch) => Promise<void>
  readonly fetchS3File: (fetch: S3Fetch) => Promise<string>
  /** How storage is reached: an s3:// address without credentials of its own is too. */
  readonly storage: Omit<S3Options, 'bucket' | 'prefix'>
  /** A folder with a file for each key of the checkpoint's own Secret; '' where it names none. */
  readonly credentials: string
  /** Token and endpoint of the Hub, and the proxies. */
  readonly hub: Environment
  readonly log: (line: string) => void
  /** What is fetched comes below this folder; what could not be fetched whole is removed. */
  readonly temporary: string
}

/** Throws InvalidJob, CheckpointUnavailable, BadCheckpoint; StorageUnreachable where the record cannot be read. */
export async function filesOf(
  job: CoordinatedJob,
  store: ObjectStore,
  sources: FileSources,
): Promise<LocalFiles> {
  const { trainer, model, resumeFrom } = job.spec
  const prefix = resumeFrom?.prefix ?? ''
  if (prefix !== '' && !prefix.startsWith('s3://')) {
    throw new FedsamError(
      'InvalidJob',
      `spec.resumeFrom.prefix: ${prefix} is a folder, which a pod does not have`,
      {
        remedy: 'name the record as s3://bucket/prefix',
      },
    )
  }
  const uri = trainer.type === 'SegmentAnything' ? trainer.segmentAnything?.checkpoint.uri : undefined
  const [run, initial] = await Promise.all([readRecord(store, 'run', RUN_KEY), store.size(resultKey(0))])
  const pinned = run?.value.base != null
  try {
    return {
      // An empty name is never looked at: the record has what was in it.
      checkpoint: uri === undefined ? null : pinned ? '' : await checkpointAt(uri, sources),
      initialParameters:
        initial === undefined
          ? await parametersAt(model.initialParameters, sources)
          : model.initialParameters,
      resumeFrom: prefix,
    }
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** Here a store out of reach is not the run's own. */
function asUnavailable(error: unknown): unknown {
  if (!(error instanceof FedsamError) || error.code !== 'StorageUnreachable') return error
  const { message, remedy, cause } = error
  return new FedsamError('CheckpointUnavailable', message, { remedy, cause })
}

async function checkpointAt(uri: string, sources: FileSources): Promise<string> {
  const { hub, credentials, log, storage, temporary } = sources
  if (uri.startsWith('hf://')) {
    const token = credentials === '' ? hub.HF_TOKEN : await secretKey(credentials, 'HF_TOKEN')
    const env = { ...hub, HF_TOKEN: token }
    return sources.fetchHubCheckpoint(uri, { env, cache: join(temporary, 'fedsam-hub'), log })
  }
  if (uri.startsWith('s3://')) {
    const settings = credentials === '' ? storage : await ownSettings(credentials)
    return fetchInto(join(temporary, 'fedsam-checkpoint-'), async (folder) => {
      await sources.fetchS3Checkpoint({ uri, settings, folder, log })
      return folder
    })
  }
  return existing(uri, (there) => there.isDirectory(), 'checkpoint.uri: there is no folder')
}

async function parametersAt(
  uri: string,
  { storage, log, temporary, fetchS3File }: FileSources,
): Promise<string> {
  if (uri === '') return ''
  if (!uri.startsWith('s3://')) {
    return existing(uri, (there) => there.isFile(), 'model.initialParameters: there is no file')
  }
  return fetchInto(join(temporary, 'fedsam-parameters-'), (folder) =>
    fetchS3File({ uri, settings: storage, folder, log }),
  )
}

/** Each try has a folder of its own, which goes where it fails: a pod may try for hours. */
async function fetchInto(prefix: string, fetch: (folder: string) => Promise<string>): Promise<string> {
  const folder = await mkdtemp(prefix)
  try {
    return await fetch(folder)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function existing(
  path: string,
  fits: (there: { isFile(): boolean; isDirectory(): boolean }) => boolean,
  what: string,
): Promise<string> {
  const there = await stat(path).catch(() => undefined)
  if (there !== undefined && fits(there)) return path
  throw new FedsamError('CheckpointUnavailable', `spec: ${what} ${path} in the coordinator's pod`, {
    remedy: 'mount it with spec.coordinator.template, or name hf://owner/name@revision or s3://bucket/prefix',
  })
}

/** Endpoint, region and keys of the checkpoint's own Secret. */
async function ownSettings(folder: string): Promise<FileSources['storage']> {
  const optional = (name: string): Promise<string> => secretKey(folder, name).catch(() => '')
  // In turn: of two that are missing the first is named, each time.
  const accessKeyId = await secretKey(folder, 'AWS_ACCESS_KEY_ID')
  const secretAccessKey = await secretKey(folder, 'AWS_SECRET_ACCESS_KEY')
  const sessionToken = await optional('AWS_SESSION_TOKEN')
  const region = await optional('AWS_REGION')
  const endpoint = await optional('AWS_ENDPOINT_URL_S3')
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) },
    ...(region === '' ? {} : { region }),
    ...(endpoint === '' ? {} : { endpoint }),
  }
}

/** Read for every try: the kubelet brings what was corrected in the Secret. */
async function secretKey(folder: string, name: string): Promise<string> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => '')
  if (text.trim() !== '') return text.trim()
  throw new FedsamError(
    'CheckpointUnavailable',
    `the Secret of spec.trainer.segmentAnything.checkpoint.credentialsSecretName has no key ${name}`,
    { remedy: 'add the key to the Secret; it is read again by itself' },
  )
}
