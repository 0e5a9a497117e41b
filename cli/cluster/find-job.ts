// A FederatedJob by its name, written as kubectl users write it; who misspells it learns which there are.

import type { StoredJob } from '#operator/objects/shapes.ts'
import { FedsamError } from '#protocol/errors.ts'
import { listed } from '#protocol/text.ts'
import type { Cluster } from './connect.ts'
import { FEDERATED_JOBS } from './questions.ts'

const PREFIX = /^(fj|fedjob|federatedjobs?(\.fedsam\.dev)?)\//

/** Names that are listed, at most. */
const MANY = 20

/** brain-tissue, also where fj/brain-tissue is written. */
export function jobName(text: string): string {
  return text.replace(PREFIX, '')
}

/** Whether a source is a job of a cluster and no folder. */
export function isJobReference(text: string): boolean {
  return PREFIX.test(text)
}

/** Throws FedsamError InvalidJob where there is none of this name. */
export async function findJob(cluster: Cluster, text: string): Promise<StoredJob> {
  const { namespace } = cluster
  const name = jobName(text)
  const job = await cluster.find<StoredJob>({ ...FEDERATED_JOBS, namespace, name })
  if (job) return job
  const list = await cluster.find<{ items: StoredJob[] }>({ ...FEDERATED_JOBS, namespace })
  if (!list) {
    throw new FedsamError(
      'InvalidJob',
      `${cluster.server} (context ${cluster.context}) knows no FederatedJobs`,
      {
        remedy: 'install the chart, or choose another cluster with --context; fedsam doctor says more',
      },
    )
  }
  throw new FedsamError('InvalidJob', `there is no FederatedJob ${name} in namespace ${namespace}`, {
    remedy: otherNames(list.items.map(({ metadata }) => metadata.name)),
  })
}

function otherNames(names: readonly string[]): string {
  if (names.length === 0) return 'there is none at all in this namespace; name another with -n'
  return `there are: ${listed(names, MANY)}`
}
