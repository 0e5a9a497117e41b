// What is checked besides where the built-in trainer is asked for: the checkpoint and every partition's data. All that is wrong
// is told in one go. Its codecs are heavy: a job of another trainer does not load this file.
import { stat } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import type {
  CompleteFederatedJobSpec,
  CompleteSegmentAnythingSpec,
} from '#protocol/generated/federatedjob.ts'
import { fetchCheckpoint } from '#transport/hugging-face.ts'
import { type DatasetReport, inspectDataset } from '#worker/data/preflight.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { readProcessor } from '#worker/model/segment-anything/processor-file.ts'

/** A partition's report, by name. */
export interface PartitionReport {
  readonly name: string
  readonly report: DatasetReport
}

/** Looks at every partition's data. Throws BadData with everything fatal, by partition and file. */
export async function inspectPartitions(
  partitions: CompleteFederatedJobSpec['partitions'],
): Promise<PartitionReport[]> {
  const reports: PartitionReport[] = []
  for (const { name, dataset } of partitions) {
    reports.push({ name, report: await inspectDataset(dataset, dataset.root) })
  }
  const fatal = reports.flatMap(({ name, report }) =>
    report.problems
      .filter((problem) => problem.fatal)
      .map(({ message, remedy }) => `${name}: ${message}. ${remedy}`),
  )
  if (fatal.length > 0) throw new FedsamError('BadData', fatal.join('\n'))
  return reports
}

/** The base checkpoint as a local folder, complete and of the right shapes. Throws BadCheckpoint, CheckpointUnavailable. */
export async function resolveCheckpoint(
  { checkpoint: { uri } }: CompleteSegmentAnythingSpec,
  log: (line: string) => void,
): Promise<string> {
  const folder = await fetchTo(uri, log)
  if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) {
    throw new FedsamError(
      'BadCheckpoint',
      `spec.trainer.segmentAnything.checkpoint.uri: there is no folder ${uri}`,
      {
        remedy:
          'name a folder with config.json and model.safetensors, hf://owner/name@revision, or s3://bucket/prefix',
      },
    )
  }
  await readCheckpoint(folder)
  await readProcessor(folder)
  return folder
}

async function fetchTo(uri: string, log: (line: string) => void): Promise<string> {
  if (uri.startsWith('hf://')) {
    const { HF_TOKEN, HF_ENDPOINT, HF_HOME } = process.env
    return fetchCheckpoint(uri, { env: { HF_TOKEN, HF_ENDPOINT, HF_HOME }, log })
  }
  if (!uri.startsWith('s3://')) return uri
  const { fetchToFolder } = await import('./s3-checkpoint.ts')
  return fetchToFolder(uri, log)
}
