// Decides whether a site carries out one task of a job that it allows, and what the task takes from the limits of its data set. The task
// is foreign: a coordinator may ask for more than the job says. Guarantees that a task within every limit is the only one allowed. Pure.

import type { Task } from '#protocol/messages.ts'
import { shortened } from '#protocol/text.ts'
import type { Site, SitePath } from '../file/site.ts'
import type { AllowedJob, Refused } from './decide-job.ts'

/** What a data set gave so far, over all jobs. */
export interface Usage {
  readonly updates: number
  /** On the day of the decision. */
  readonly updatesToday: number
  readonly evaluations: number
}

/** What a task adds to it. */
export interface Charge {
  readonly updates: 0 | 1
  readonly evaluations: 0 | 1
}

export interface AllowedTask {
  readonly kind: 'Allowed'
  /** The task to carry out: without an evaluation whose results may not leave, and without a state that may not. */
  readonly task: Task
  readonly charge: Charge
}

export interface RefusedTask extends Refused {
  /** No later training of this run fits the limit either. */
  readonly isForRun: boolean
}

type Limit = 'updates' | 'updatesPerDay' | 'evaluations'

/** Decides about a task. `usage` does not count it yet. */
export function decideTask(
  site: Site,
  { listed, trainer }: AllowedJob,
  task: Task,
  usage: Usage,
): AllowedTask | RefusedTask {
  const { limits } = site.datasets[listed.dataset]!
  const path = ['datasets', listed.dataset, 'limits']
  const refuse = (reason: string, at: SitePath, isForRun = false): RefusedTask => ({
    kind: 'Refused',
    reason,
    isForRun,
    line: site.lineOf(at),
  })
  if (task.kind === 'Message')
    return refuse(
      "the job's strategy is a program, and a site takes part in rounds alone",
      ['datasets', listed.dataset],
      true,
    )
  // After its last round a job evaluates the model once more: that is no round of training.
  const round = task.kind === 'Evaluate' ? task.round - 1 : task.round
  if (limits.rounds !== undefined && round > limits.rounds)
    return refuse(
      `round ${round} is above the ${limits.rounds} that the site allows`,
      [...path, 'rounds'],
      true,
    )
  const setting = trainer.kind === 'Command' ? foreignSetting(task, trainer.config) : undefined
  if (setting !== undefined)
    return refuse(`the task sets ${shortened(setting, 100)}, which the site does not allow`, [
      'trainers',
      listed.trainer,
      'config',
    ])
  if (trainer.kind === 'Command' && !isPinned(site, task))
    return refuse('the model of round 0 is not one that the site allows', ['models'])
  if (!site.metrics.share && task.kind === 'Evaluate')
    return refuse('the site shares no results of evaluations', ['metrics', 'share'])
  const { state, ...stateless } = task
  const leaves = state?.place === 'Record' && !site.states
  const kept = leaves ? stateless : task
  const allowed = site.metrics.share ? kept : { ...kept, evaluate: false }
  const charge = chargeOf(allowed)
  const exceeded = exceededLimit(limits, usage, charge)
  if (exceeded === undefined) return { kind: 'Allowed', task: allowed, charge }
  return refuse(
    `the site's limit for this data is reached: ${exceeded} is ${limits[exceeded]}, over all jobs`,
    [...path, exceeded],
    exceeded === 'updates', // a day passes, and a task that evaluates nothing needs no evaluation
  )
}

/** FedSAM sends these with every call. */
const OWN_SETTINGS: readonly string[] = ['server_round', 'seed']

function foreignSetting({ config }: Task, allowed: readonly string[]): string | undefined {
  return Object.keys(config).find((name) => !OWN_SETTINGS.includes(name) && !allowed.includes(name))
}

/** Whether the first round of a command starts from a listed model. Later models are the coordinator's: no list can name them. */
function isPinned({ models }: Site, { round, base }: Task): boolean {
  const digests = models.filter((model) => model.startsWith('sha256:'))
  if (digests.length === 0 || round > 1 || base === null) return true
  return digests.includes(`sha256:${base.sha256}`)
}

/** An initialisation sends parameters, so it counts as an update. */
function chargeOf({ kind, evaluate }: Task): Charge {
  if (kind === 'Evaluate') return { updates: 0, evaluations: 1 }
  return { updates: 1, evaluations: kind === 'Train' && evaluate ? 1 : 0 }
}

function exceededLimit(
  limits: { readonly [L in Limit]?: number },
  usage: Usage,
  { updates, evaluations }: Charge,
): Limit | undefined {
  const after: Readonly<Record<Limit, number>> = {
    updates: updates && usage.updates + updates,
    updatesPerDay: updates && usage.updatesToday + updates,
    evaluations: evaluations && usage.evaluations + evaluations,
  }
  const order: readonly Limit[] = ['updates', 'updatesPerDay', 'evaluations']
  return order.find((limit) => after[limit] > (limits[limit] ?? Number.POSITIVE_INFINITY))
}

/** The metrics of an evaluation that leave the site, in their order. */
export function sharedMetrics<T>(
  { metrics: { share, names } }: Site,
  metrics: Readonly<Record<string, T>>,
): Record<string, T> {
  if (!share) return {}
  const shared = Object.entries(metrics).filter(([name]) => names.length === 0 || names.includes(name))
  return Object.fromEntries(shared)
}
