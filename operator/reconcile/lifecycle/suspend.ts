// spec.suspend, and pauses of the workers: which Jobs are suspended now. All of them, when the user suspends the job or the
// spec lacks a section. The workers alone, while too few clients are available: until the coordinator's pauseUntil
// others get their devices. Pure.
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { moment } from '../../objects/fields.ts'

/** Which Jobs are suspended. A suspended Job has no pods; nothing else changes. */
export interface Suspension {
  readonly coordinator: boolean
  readonly workers: boolean
}

export const ALL_SUSPENDED: Suspension = { coordinator: true, workers: true }

/**
 * The longest pause, in milliseconds: a coordinator that died, or whose clock is wrong, stops the workers for no
 * longer.
 */
const LONGEST_MS = 600_000

/** A pause of the workers, in milliseconds since 1970. `begins` is set while the end is more than LONGEST_MS away. */
export interface Pause {
  readonly until: number
  readonly begins?: number
}

/** The pause that holds now or will, or undefined. With a queue the workers are not paused: the queue decides who gets devices. */
export function pauseOf(
  training: TrainingStatus | undefined,
  queue: string | undefined,
  now: number,
): Pause | undefined {
  const until = moment(training?.pauseUntil)
  if (until === undefined || until <= now || queue !== undefined) return undefined
  return until - now > LONGEST_MS ? { until, begins: until - LONGEST_MS } : { until }
}

export function suspensionOf(spec: CompleteFederatedJobSpec, pause: Pause | undefined): Suspension {
  const all = spec.suspend || missingSections(spec).length > 0
  return { coordinator: all, workers: all || (pause !== undefined && pause.begins === undefined) }
}

/** The sections that a job needs in a cluster and not on a laptop, where the spec lacks them. */
export function missingSections(spec: CompleteFederatedJobSpec): string[] {
  return (['storage', 'messaging'] as const).filter((name) => !spec[name]).map((name) => `spec.${name}`)
}
