// Jobs that ended though the run goes on: each is made anew after a pause that grows with its attempts. Both stand in the ended
// Job itself, when it ended and which attempt it was, so whoever looks decides the same.
import { pauseAfter } from '#runtime/backoff.ts'
import { field, holds, maps, moment, text } from '../../objects/fields.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'

/** On a Job that is not the first of its name: which attempt it is. */
const ATTEMPT_ANNOTATION = 'fedsam.dev/attempt'

/** Seconds between the end of a Job and its next attempt. */
const BACKOFF = { first: 60, longest: 30 * 60 }

export function isFinished(job: KubernetesObject): boolean {
  return holds(job, 'Complete') || holds(job, 'Failed')
}

/** When a Job that ended is made anew, in milliseconds since 1970; undefined while it runs. */
export function renewalAt(job: KubernetesObject): number | undefined {
  if (!isFinished(job)) return undefined
  const end = maps(field(job.status, 'conditions')).find(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  )
  // Without a time it is at once: better early than never.
  const ended = moment(end?.lastTransitionTime) ?? 0
  return ended + 1000 * pauseAfter(attemptOf(job), BACKOFF)
}

/** The wanted Job as the attempt after the one that ended. */
export function renewed(wanted: KubernetesObject, ended: KubernetesObject): KubernetesObject {
  const annotations = { ...wanted.metadata.annotations, [ATTEMPT_ANNOTATION]: String(attemptOf(ended) + 1) }
  return { ...wanted, metadata: { ...wanted.metadata, annotations } }
}

/** From 1. */
export function attemptOf({ metadata }: KubernetesObject): number {
  const attempt = Number.parseInt(text(metadata.annotations?.[ATTEMPT_ANNOTATION]), 10)
  return attempt >= 1 ? attempt : 1
}
