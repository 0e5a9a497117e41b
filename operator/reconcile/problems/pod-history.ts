// What is wrong with a role: why no pod can be created, or what the newest pod shows. Where that pod shows nothing and does not run
// either, the one before it counts. With how often there was a failure. And why a Job was given up.

import { conditionOf, field, text } from '../../objects/fields.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { creationProblem } from './creation-problem.ts'
import { isReady, podProblem } from './pod-problems.ts'

interface History {
  readonly warnings: readonly Warning[]
  /** The Job of these pods; undefined where the Job does not exist. */
  readonly job: KubernetesObject | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  readonly memoryLimit?: (container: string) => string | undefined
  /** Failures that the Job counted, where pods are gone. */
  readonly failures?: number
}

/** What is wrong, or undefined: a ready pod, or nothing known. */
export function latestProblem(pods: readonly KubernetesObject[], history: History): string | undefined {
  if (pods.some(isReady)) return undefined
  const { warnings, job } = history
  const uncreated = job && creationProblem(job, pods, warnings)
  if (uncreated !== undefined) return uncreated
  const problem = newestFirst(pods)
    .map((pod) => ({ pod, said: podProblem(pod, warnings, history) }))
    .find(({ pod, said }) => said !== undefined || phaseOf(pod) === 'Running')?.said
  const failures = Math.max(history.failures ?? 0, pods.filter((pod) => phaseOf(pod) === 'Failed').length)
  return problem !== undefined && failures > 1 ? `${problem} (failed ${failures} times)` : problem
}

/** Why a Job will not try again, or undefined. */
export function jobFailure(job: KubernetesObject): string | undefined {
  const failed = conditionOf(job, 'Failed')
  if (failed?.status !== 'True') return undefined
  return `failed, ${text(failed.reason)}: ${text(failed.message)}`
}

function phaseOf(pod: KubernetesObject): string {
  return text(field(pod.status, 'phase'))
}

/** By their creation; pods of one second stay in the order of the list, the last first. */
function newestFirst(pods: readonly KubernetesObject[]): KubernetesObject[] {
  const created = ({ metadata }: KubernetesObject): string => metadata.creationTimestamp ?? ''
  return [...pods].reverse().sort((a, b) => (created(a) < created(b) ? 1 : created(a) > created(b) ? -1 : 0))
}
