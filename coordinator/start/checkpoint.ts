// Fetches the files that a run starts from in a cluster: the base checkpoint (hf://, s3://, a folder) and initial parameters
// (s3://, a file). It also checks the address of the record that a run resumes from (s3:// only: a pod cannot see another pod's
// folder). Files that the record has already are not fetched. A file that is missing, forbidden or out of reach is
// CheckpointUnavailable, since that may change; a file that cannot be used is BadCheckpoint. The caller chooses the S3 client.
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
  /** Settings of the run's storage, also used for an s3:// address that has no credentials of its own. */
  readonly storage: Omit<S3Options, 'bucket' | 'prefix'>
  /** A folder with a file for each key of the checkpoint's own Secret; '' where it names none. */
  readonly credentials: string
  /** Token and endpoint of the Hub, and the proxies. */
  readonly hub: Environment
  readonly log: (line: string) => void
  /** The folder for fetched files. Files that were fetched in part are removed. */
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
      // An empty name is not used: the record has the checkpoint already.
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

/** In this file a store that cannot be reached is the checkpoint's, and not the run's own. */
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
    const { requireTls = false } = storage
    return sources.fetchHubCheckpoint(uri, { env, cache: join(temporary, 'fedsam-hub'), log, requireTls })
  }
  if (uri.startsWith('s3://')) {
    const settings = credentials === '' ? storage : await ownSettings(credentials, storage)
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

/** Each try has its own folder, which is removed if the try fails: a pod may try for hours. */
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
async function ownSettings(
  folder: string,
  { requireTls = false }: FileSources['storage'],
): Promise<FileSources['storage']> {
  const optional = (name: string): Promise<string> => secretKey(folder, name).catch(() => '')
  // One after the other, so that of two missing keys the error always names the first.
  const accessKeyId = await secretKey(folder, 'AWS_ACCESS_KEY_ID')
  const secretAccessKey = await secretKey(folder, 'AWS_SECRET_ACCESS_KEY')
  const sessionToken = await optional('AWS_SESSION_TOKEN')
  const region = await optional('AWS_REGION')
  const endpoint = await optional('AWS_ENDPOINT_URL_S3')
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) },
    ...(region === '' ? {} : { region }),
    ...(endpoint === '' ? {} : { endpoint }),
    requireTls,
  }
}

/** Reads one key of the Secret. Each try reads it again, since the kubelet updates the files when the Secret is corrected. */
async function secretKey(folder: string, name: string): Promise<string> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => '')
  if (text.trim() !== '') return text.trim()
  throw new FedsamError(
    'CheckpointUnavailable',
    `the Secret of spec.trainer.segmentAnything.checkpoint.credentialsSecretName has no key ${name}`,
    { remedy: 'add the key to the Secret; the coordinator reads it again by itself' },
  )
}
