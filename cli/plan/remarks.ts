// What a run on this machine leaves aside of a job that a cluster runs as well: one line each, so that one file serves both. Pure.
import { SPEC_SCHEMA } from '#protocol/defaults.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'

/** Lines for people, in the order of the job's fields. */
export function localRemarks(spec: CompleteFederatedJobSpec): string[] {
  const { partitions, startDeadlineSeconds, activeDeadlineSeconds } = spec
  const sources = partitions
    .filter(({ source }) => source != null)
    .map(
      ({ name, dataset }) => `${name}: source is for clusters; a run on this machine reads ${dataset.root}`,
    )
  const start =
    startDeadlineSeconds === SPEC_SCHEMA.properties?.startDeadlineSeconds?.default
      ? []
      : [
          `startDeadlineSeconds: ${startDeadlineSeconds} is for clusters; a run on this machine has no deadline`,
        ]
  const active =
    activeDeadlineSeconds == null
      ? []
      : [
          `activeDeadlineSeconds: ${activeDeadlineSeconds} is for clusters; a run on this machine has no deadline`,
        ]
  return [...sources, ...start, ...active]
}
