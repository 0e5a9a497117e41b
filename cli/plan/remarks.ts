// Remarks on fields that a run on this machine ignores, one line each, so that the same job file works in a cluster. Pure.
import { SPEC_SCHEMA } from '#protocol/defaults.ts'
import { isExternal } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { listed } from '#protocol/text.ts'

/** The remarks, in the order of the job's fields. */
export function localRemarks(spec: CompleteFederatedJobSpec): string[] {
  const { partitions, startDeadlineSeconds, activeDeadlineSeconds } = spec
  const sites = partitions.filter(isExternal).map(({ name }) => name)
  const outside =
    sites.length === 0
      ? []
      : [
          `${listed(sites)}: external applies only in a cluster; a run on this machine trains ${sites.length === 1 ? 'it' : 'them'} here, like every other partition`,
        ]
  const sources = partitions
    .filter(({ source }) => source != null)
    .map(
      ({ name, dataset }) =>
        `${name}: source applies only in a cluster; a run on this machine reads ${dataset.root}`,
    )
  const start =
    startDeadlineSeconds === SPEC_SCHEMA.properties?.startDeadlineSeconds?.default
      ? []
      : [
          `startDeadlineSeconds: ${startDeadlineSeconds} applies only in a cluster; a run on this machine has no deadline`,
        ]
  const active =
    activeDeadlineSeconds == null
      ? []
      : [
          `activeDeadlineSeconds: ${activeDeadlineSeconds} applies only in a cluster; a run on this machine has no deadline`,
        ]
  return [...outside, ...sources, ...start, ...active]
}
