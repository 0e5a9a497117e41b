// Resolves the folders of a job on this machine. They are relative to the job file, not to the current folder.
import { resolve } from 'node:path'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { LoadedJob } from './load.ts'

/**
 * The job's spec for a run on this machine. Dataset roots and folders of checkpoints, of initial parameters and of the record to
 * resume from become absolute. Addresses with a scheme (hf://, s3://) stay. The record stores the spec as the user wrote it.
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
