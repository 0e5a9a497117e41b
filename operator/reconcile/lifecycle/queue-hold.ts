// Jobs that a queue (Kueue) holds suspended: which queue it is, and from when on a Job's own time counts. Pure.
import { conditionOf, field, moment } from '../../objects/fields.ts'
import { QUEUE_LABEL } from '../../objects/labels.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import type { Observed } from '../contract.ts'
import { isFinished } from './recreate.ts'

/** The queue that decides when the Jobs of this FederatedJob start, or undefined. */
export function queueOf({ job }: Observed): string | undefined {
  return job.metadata.labels?.[QUEUE_LABEL]
}

/** The queue that holds this Job, or undefined. A FederatedJob that its user suspended is not asked about. */
export function holdingQueue(observed: Observed, job: KubernetesObject): string | undefined {
  return job.spec?.suspend === true && !isFinished(job) ? queueOf(observed) : undefined
}

/**
 * Since when a Job of a queue is active, in milliseconds since 1970; undefined while the queue holds it. A resumed Job counts from
 * now on until its controller has noted the new start: the start that it shows is of an earlier time.
 */
export function activeSince(observed: Observed, job: KubernetesObject): number | undefined {
  if (holdingQueue(observed, job) !== undefined) return undefined
  if (conditionOf(job, 'Suspended')?.status === 'True') return observed.now
  return moment(field(job.status, 'startTime')) ?? observed.now
}
