// Why Kubernetes cannot create the pod of a Job: a quota, a LimitRange, Pod Security, an admission webhook, an account or a priority
// class that does not exist. No status holds it, only the Job's events. An event counts until a newer pod exists, or the Job is
// suspended, starts again or ends; so the problem clears once it is cured, and does not clear when the event expires. Pure.
import { field, moment, text } from '../../objects/fields.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { isFinished } from '../lifecycle/recreate.ts'

/** The Job controller's reason for every pod that the API server refused. */
export const FAILED_CREATE = 'FailedCreate'
const ENDED = ['Failed', 'Succeeded']
const NEVER = Number.NEGATIVE_INFINITY

/** The problem as a sentence, or undefined. `pods` are those of this Job, `warnings` of anything. */
export function creationProblem(
  job: KubernetesObject,
  pods: readonly KubernetesObject[],
  warnings: readonly Warning[],
): string | undefined {
  if (job.spec?.suspend === true || isFinished(job) || pods.some(isAlive)) return undefined
  const begun = moment(field(job.status, 'startTime')) ?? NEVER
  const newestPod = Math.max(NEVER, ...pods.map(createdAt))
  const { uid, name } = job.metadata
  const found = warnings
    .filter((warning) => warning.kind === 'Job' && warning.uid === uid && warning.reason === FAILED_CREATE)
    .filter(({ at }) => at >= begun && at > newestPod)
    .reduce<Warning | undefined>((latest, next) => (latest && latest.at > next.at ? latest : next), undefined)
  return found && `its pod cannot be created: ${withoutPodName(found.message, name)}`
}

/** A pod that is being deleted may already be replaced. */
function isAlive({ metadata, status }: KubernetesObject): boolean {
  return metadata.deletionTimestamp === undefined && !ENDED.includes(text(field(status, 'phase')))
}

/** Milliseconds since 1970. */
export function createdAt({ metadata }: KubernetesObject): number {
  return moment(metadata.creationTimestamp) ?? NEVER
}

/** Each attempt names another pod, NAME-x7k2p. Without that part the same refusal has the same words. */
function withoutPodName(message: string, job: string): string {
  const words = message.replace(/^Error creating: /, '')
  const at = words.indexOf(`"${job}-`)
  if (at < 0) return words
  const after = words.slice(at + job.length + 2)
  return words.slice(0, at) + after.replace(/^[a-z0-9]{1,10}"/, `"${job}"`)
}
