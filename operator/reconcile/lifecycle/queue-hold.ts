// Jobs that a queue (Kueue) holds suspended: which queue it is, and since when a Job is active. Pure.

import { QUEUE_LABEL } from '#protocol/labels.ts'
import { conditionOf, field, moment } from '../../objects/fields.ts'
import type { KubernetesObject, StoredJob } from '../../objects/shapes.ts'
import { isFinished } from './recreate.ts'

/** The queue that decides when the Jobs of this FederatedJob start, or undefined. */
export function queueOf({ metadata }: StoredJob): string | undefined {
  return metadata.labels?.[QUEUE_LABEL]
}

/** The queue, where it holds this Job; else undefined. Only for a FederatedJob that its user has not suspended. */
export function holdingQueue(queue: string | undefined, job: KubernetesObject): string | undefined {
  return job.spec?.suspend === true && !isFinished(job) ? queue : undefined
}

/**
 * Since when a Job is active, in milliseconds since 1970; undefined while the queue holds it. A Job that was just resumed shows its
 * earlier start until its controller writes the new one: until then it is active since `now`.
 */
export function activeSince(
  queue: string | undefined,
  job: KubernetesObject,
  now: number,
): number | undefined {
  if (holdingQueue(queue, job) !== undefined) return undefined
  if (conditionOf(job, 'Suspended')?.status === 'True') return now
  return moment(field(job.status, 'startTime')) ?? now
}
