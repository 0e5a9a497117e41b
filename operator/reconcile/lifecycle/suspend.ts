// Which Jobs of a job are suspended now: all of them because the user says so, or because nothing could work; the workers alone
// while too few clients are there, until the moment that the coordinator names, so that others get their devices.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { moment } from '../../objects/fields.ts'
import { QUEUE_LABEL } from '../../objects/labels.ts'
import type { Observed } from '../contract.ts'
import { trainingOf } from '../training.ts'

/** Which Jobs are suspended: that stops their pods, and nothing else. */
export interface Suspension {
  readonly coordinator: boolean
  readonly workers: boolean
}

/** A coordinator whose clock is wrong, or that died, stops no worker for longer. */
const LONGEST_MS = 600_000

/** The end of a pause of the workers; `begins` where it is too far ahead to be believed yet. In milliseconds since 1970. */
export interface Pause {
  readonly until: number
  readonly begins?: number
}

/** The pause that holds now or will, or undefined. A queue decides by itself who gets devices. */
export function pauseOf(observed: Observed): Pause | undefined {
  const { job, now } = observed
  const until = moment(trainingOf(observed)?.pauseUntil)
  const queued = job.metadata.labels?.[QUEUE_LABEL] !== undefined
  if (until === undefined || until <= now || queued) return undefined
  return until - now > LONGEST_MS ? { until, begins: until - LONGEST_MS } : { until }
}

export function suspensionOf(observed: Observed, spec: CompleteFederatedJobSpec): Suspension {
  const all = spec.suspend || missingSections(spec).length > 0
  const pause = pauseOf(observed)
  return { coordinator: all, workers: all || (pause !== undefined && pause.begins === undefined) }
}

/** What a job in a cluster cannot do without; on a laptop it can. */
export function missingSections(spec: CompleteFederatedJobSpec): string[] {
  return (['storage', 'messaging'] as const).filter((name) => !spec[name]).map((name) => `spec.${name}`)
}
