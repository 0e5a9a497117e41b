// Finds a FederatedJob by its name, written as for kubectl. The error for an unknown name lists the existing ones.

import type { StoredJob } from '#operator/objects/shapes.ts'
import { FedsamError } from '#protocol/errors.ts'
import { listed } from '#protocol/text.ts'
import type { Cluster } from './connect.ts'
import { FEDERATED_JOBS } from './questions.ts'

const PREFIX = /^(fj|fedjob|federatedjobs?(\.fedsam\.dev)?)\//

/** Most names that an error lists. */
const MANY = 20

/** The name brain-tissue, from brain-tissue or fj/brain-tissue. */
export function jobName(text: string): string {
  return text.replace(PREFIX, '')
}

/** Whether a source names a job in a cluster, not a folder. */
export function isJobReference(text: string): boolean {
  return PREFIX.test(text)
}

/** Throws FedsamError InvalidJob where no job has this name. */
export async function findJob(cluster: Cluster, text: string): Promise<StoredJob> {
  const { namespace } = cluster
  const name = jobName(text)
  const job = await cluster.find<StoredJob>({ ...FEDERATED_JOBS, namespace, name })
  if (job) return job
  const list = await cluster.find<{ items: StoredJob[] }>({ ...FEDERATED_JOBS, namespace })
  if (!list) {
    throw new FedsamError(
      'InvalidJob',
      `${cluster.server} (context ${cluster.context}) does not serve FederatedJobs`,
      {
        remedy: 'install the chart, or choose another cluster with --context; for details run fedsam doctor',
      },
    )
  }
  throw new FedsamError('InvalidJob', `there is no FederatedJob ${name} in namespace ${namespace}`, {
    remedy: otherNames(list.items.map(({ metadata }) => metadata.name)),
  })
}

function otherNames(names: readonly string[]): string {
  if (names.length === 0) return 'this namespace has no FederatedJob; choose another one with -n'
  return `choose one of: ${listed(names, MANY)}`
}
