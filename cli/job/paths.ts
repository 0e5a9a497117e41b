// Where a job's files lie on this machine: folders in a job file are relative to the file, not to where the command runs.
import { resolve } from 'node:path'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { LoadedJob } from './load.ts'

/**
 * The job's spec for a run on this machine: dataset roots, folders that hold checkpoints, initial parameters and the record to
 * resume from are absolute; anything with a scheme (hf://, s3://) stays. The record keeps the spec as it was written.
 */
export function resolveLocalPaths({
  folder,
  spec,
}: Pick<LoadedJob, 'folder' | 'spec'>): CompleteFederatedJobSpec {
  const local = (path: string) => (path === '' || path.includes('://') ? path : resolve(folder, path))
  const { segmentAnything } = spec.trainer
  return {
    ...spec,
    trainer: {
      ...spec.trainer,
      ...(segmentAnything && {
        segmentAnything: {
          ...segmentAnything,
          checkpoint: { ...segmentAnything.checkpoint, uri: local(segmentAnything.checkpoint.uri) },
        },
      }),
    },
    partitions: spec.partitions.map((partition) => ({
      ...partition,
      dataset: { ...partition.dataset, root: local(partition.dataset.root) },
    })),
    model: { ...spec.model, initialParameters: local(spec.model.initialParameters) },
    ...(spec.resumeFrom && { resumeFrom: { ...spec.resumeFrom, prefix: local(spec.resumeFrom.prefix) } }),
  }
}
