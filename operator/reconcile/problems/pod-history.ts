// What is wrong with the pods of a Job over time: why no pod can be created, or else the newest pod's problem, with
// the number of failures. If the newest pod has no problem and does not run, the pod before it counts. Also: why a
// Job failed for good. Pure.

import { conditionOf, field, text } from '../../objects/fields.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { creationProblem } from './creation-problem.ts'
import { isReady, podProblem } from './pod-problems.ts'

/** The facts beside the pods. */
interface History {
  readonly warnings: readonly Warning[]
  /** The Job of these pods; undefined where the Job does not exist. */
  readonly job: KubernetesObject | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  readonly memoryLimit?: (container: string) => string | undefined
  /** Failures that the Job has counted; some of its pods may be deleted already. */
  readonly failures?: number
}

/** The problem as a sentence; undefined for a ready pod, and where nothing is known. */
export function latestProblem(pods: readonly KubernetesObject[], history: History): string | undefined {
  if (pods.some(isReady)) return undefined
  const { warnings, job } = history
  const uncreated = job && creationProblem(job, pods, warnings)
  if (uncreated !== undefined) return uncreated
  const problem = newestFirst(pods)
    .map((pod) => ({ pod, found: podProblem(pod, warnings, history) }))
    .find(({ pod, found }) => found !== undefined || phaseOf(pod) === 'Running')?.found
  const failures = Math.max(history.failures ?? 0, pods.filter((pod) => phaseOf(pod) === 'Failed').length)
  return problem !== undefined && failures > 1 ? `${problem} (failed ${failures} times)` : problem
}

/** Why a Job failed for good, or undefined. */
export function jobFailure(job: KubernetesObject): string | undefined {
  const failed = conditionOf(job, 'Failed')
  if (failed?.status !== 'True') return undefined
  return `failed, ${text(failed.reason)}: ${text(failed.message)}`
}

function phaseOf(pod: KubernetesObject): string {
  return text(field(pod.status, 'phase'))
}

/** By creation. Times have whole seconds, so of pods of the same second the last in the list comes first. */
function newestFirst(pods: readonly KubernetesObject[]): KubernetesObject[] {
  const created = ({ metadata }: KubernetesObject): string => metadata.creationTimestamp ?? ''
  return [...pods].reverse().sort((a, b) => (created(a) < created(b) ? 1 : created(a) > created(b) ? -1 : 0))
}
