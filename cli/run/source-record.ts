// The record that a run on this machine starts from (spec.resumeFrom): opened for reading, a folder or a bucket, and checked
// before a byte of the new run is written. It trusts nothing in it: no link is followed, and no marker of any length is read into
// memory.
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { selectionOf } from '#coordinator/settings/from-spec.ts'
import type { OpenRecord } from '#coordinator/settings/settings.ts'
import { describeBase } from '#coordinator/start/base.ts'
import { trainedTensors } from '#coordinator/start/initial-file.ts'
import {
  type CarriedState,
  carriedState,
  compareWithJob,
  pinned,
  readSourceRound,
} from '#coordinator/start/source-round.ts'
import { strategyFrom } from '#coordinator/strategies/registry.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { keptTensors } from '#protocol/half.ts'
import type { RunRecord } from '#protocol/record.ts'
import { openNamedBucket } from '../cluster/source.ts'
import { openRecordFolder, recordFolder } from './record-folder.ts'

/** The round that a run starts from, and what becomes of the server optimizer's state. */
export type SourceFacts = NonNullable<RunRecord['resumedFrom']> & { readonly state: CarriedState }

/** Opens the record at a folder or s3://bucket/prefix, the latter with the caller's own AWS credentials. */
export const openSourceRecord: OpenRecord = async (address) => {
  if (!address.startsWith('s3://')) return openRecordFolder(await recordFolder(address))
  return openNamedBucket(address)
}

/** The folder that holds the record, or the address of a bucket; '' where the job starts afresh. */
export async function sourceAddress({ resumeFrom }: CompleteFederatedJobSpec): Promise<string> {
  if (resumeFrom == null) return ''
  return resumeFrom.prefix.startsWith('s3://') ? resumeFrom.prefix : recordFolder(resumeFrom.prefix)
}

/** Throws InvalidJob where the record is the run's own, holds the run's output, or cannot be read by a run in processes. */
export async function refuseSource(
  { resumeFrom }: CompleteFederatedJobSpec,
  { output, processes }: { readonly output: string; readonly processes: boolean },
): Promise<void> {
  if (resumeFrom == null) return
  const { prefix } = resumeFrom
  if (prefix.startsWith('s3://')) {
    if (!processes) return
    throw new FedsamError(
      'InvalidJob',
      `spec.resumeFrom.prefix: a run with --processes has a store of its own and cannot read ${prefix}`,
      { remedy: 'leave --processes out, or copy that record to a folder and name the folder' },
    )
  }
  const [source, own] = [await realPath(prefix), await realPath(output)]
  if (own === source)
    throw new FedsamError('InvalidJob', `spec.resumeFrom.prefix: ${prefix} is the output of this very run`, {
      remedy: 'name another folder with --output; to raise the rounds of that run, remove resumeFrom',
    })
  if (own.startsWith(join(source, sep)))
    throw new FedsamError(
      'InvalidJob',
      `spec.resumeFrom.prefix: the output ${output} is inside ${prefix}, which the run only reads`,
      { remedy: 'name a folder outside of that record with --output' },
    )
}

/** Without links, also of a path whose last folders do not exist yet. */
export async function realPath(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined)
  if (real !== undefined || dirname(path) === path) return real ?? path
  return join(await realPath(dirname(path)), basename(path))
}

/**
 * The round that the job starts from, verified and compared with the job; null where it starts afresh. `checkpoint` is the folder
 * of the built-in trainer's. Throws RecordUnavailable, BadRecord.
 */
export async function checkSource(
  spec: CompleteFederatedJobSpec,
  checkpoint: string | null,
): Promise<SourceFacts | null> {
  if (spec.resumeFrom == null) return null
  const { prefix, round } = spec.resumeFrom
  const reader = await openSourceRecord(prefix)
  try {
    const source = await readSourceRound(reader, round)
    const select = selectionOf(spec)
    const known = checkpoint !== null && select !== null
    compareWithJob(source, {
      base: known
        ? await describeBase({ uri: spec.trainer.segmentAnything!.checkpoint.uri, folder: checkpoint })
        : null,
      tensors: known ? keptTensors(await trainedTensors(checkpoint, select)) : null,
    })
    const state = await carriedState(reader, source, strategyFrom({ ...spec.strategy }))
    return { ...pinned(prefix, source), state }
  } finally {
    await reader.close()
  }
}
