// Jobs that ended although the run continues. The operator recreates each after a pause that doubles with every
// attempt. The ended Job itself holds both facts, its end and its attempt, so every replica of the operator decides
// the same. Pure.
import { ATTEMPT_ANNOTATION } from '#protocol/labels.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import { field, holds, maps, moment, text } from '../../objects/fields.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'

/** Seconds before a Job is recreated. Short faults pass within a minute; a cured partition joins within half an hour. */
const BACKOFF = { first: 60, longest: 30 * 60 }

export function isFinished(job: KubernetesObject): boolean {
  return holds(job, 'Complete') || holds(job, 'Failed')
}

/** When the operator recreates a Job that ended, in milliseconds since 1970; undefined while the Job runs. */
export function recreatedAt(job: KubernetesObject): number | undefined {
  if (!isFinished(job)) return undefined
  const end = maps(field(job.status, 'conditions')).find(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  )
  // An end without a time: recreate the Job at once.
  const ended = moment(end?.lastTransitionTime) ?? 0
  return ended + 1000 * pauseAfter(attemptOf(job), BACKOFF)
}

/** The wanted Job as the attempt after the ended one. */
export function nextAttempt(wanted: KubernetesObject, ended: KubernetesObject): KubernetesObject {
  const annotations = { ...wanted.metadata.annotations, [ATTEMPT_ANNOTATION]: String(attemptOf(ended) + 1) }
  return { ...wanted, metadata: { ...wanted.metadata, annotations } }
}

/** Counted from 1. */
export function attemptOf({ metadata }: KubernetesObject): number {
  const attempt = Number.parseInt(text(metadata.annotations?.[ATTEMPT_ANNOTATION]), 10)
  return attempt >= 1 ? attempt : 1
}
