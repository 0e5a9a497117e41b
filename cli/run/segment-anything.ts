// The preflight of the built-in trainer: checks its checkpoint and every partition's data, and reports all faults at once. It
// loads large codecs, so a job with another trainer does not load this file.
import { stat } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import type {
  CompleteFederatedJobSpec,
  CompleteSegmentAnythingSpec,
} from '#protocol/generated/federatedjob.ts'
import { fetchCheckpoint } from '#transport/hugging-face/checkpoint.ts'
import { type DatasetReport, inspectDataset } from '#worker/data/preflight.ts'
import { formatErrors, formatReport } from '#worker/data/report.ts'
import { type Checkpoint, readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { modelView } from '#worker/model/segment-anything/processor.ts'
import { readProcessor } from '#worker/model/segment-anything/processor-file.ts'
import { refuseNothingHeldOut } from './prepare.ts'

/** A partition's report, by name. */
export interface PartitionReport {
  readonly name: string
  readonly report: DatasetReport
}

/** The result of the preflight: the checkpoint as a local folder, its contents, and a report on every partition's data. */
export interface Preflight {
  readonly folder: string
  readonly checkpoint: Checkpoint
  readonly reports: readonly PartitionReport[]
}

/**
 * Checks the checkpoint and every partition's data, and reports the findings in the same lines for every command. Throws
 * BadCheckpoint, CheckpointUnavailable, BadData with all fatal problems by partition and file, and InvalidJob for an evaluation
 * without held-out images. `elsewhere`: partitions whose data is not on this machine; nothing is said about it.
 */
export async function preflight(
  spec: CompleteFederatedJobSpec,
  say: (line: string) => void,
  elsewhere: readonly string[] = [],
): Promise<Preflight> {
  const folder = await resolveCheckpoint(spec.trainer.segmentAnything!, say)
  const checkpoint = await readCheckpoint(folder)
  const view = modelView(checkpoint.config, await readProcessor(folder, checkpoint.config))
  const reports: PartitionReport[] = []
  for (const { name, dataset } of spec.partitions) {
    if (elsewhere.includes(name)) continue
    reports.push({ name, report: await inspectDataset(dataset, dataset.root, view) })
  }
  const fatal = reports.flatMap(({ name, report }) =>
    formatErrors(report.problems).map((line) => `${name}: ${line}`),
  )
  if (fatal.length > 0) throw new FedsamError('BadData', fatal.join('\n'), { remedy: '' })
  for (const { name, report } of reports) say(formatReport(name, report))
  const heldOut = reports.map(({ name, report }) => ({ name, count: report.split.heldOut.length }))
  if (elsewhere.length === 0) refuseNothingHeldOut(spec, heldOut)
  return { folder, checkpoint, reports }
}

/** The base checkpoint as a local folder. Throws BadCheckpoint, CheckpointUnavailable. */
async function resolveCheckpoint(
  { checkpoint: { uri } }: CompleteSegmentAnythingSpec,
  log: (line: string) => void,
): Promise<string> {
  const folder = await fetchTo(uri, log)
  if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) {
    throw new FedsamError(
      'BadCheckpoint',
      `spec.trainer.segmentAnything.checkpoint.uri: the folder ${uri} does not exist`,
      {
        remedy:
          'name a folder with config.json and model.safetensors, hf://owner/name@revision, or s3://bucket/prefix',
      },
    )
  }
  return folder
}

async function fetchTo(uri: string, log: (line: string) => void): Promise<string> {
  if (uri.startsWith('hf://')) {
    return fetchCheckpoint(uri, { env: process.env, log })
  }
  if (!uri.startsWith('s3://')) return uri
  const { fetchToFolder } = await import('./s3-checkpoint.ts')
  return fetchToFolder(uri, log)
}
