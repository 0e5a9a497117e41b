// Why Kubernetes cannot create the pod of a Job: a quota, a LimitRange, Pod Security, an admission webhook, a missing
// account or priority class. Only the Job's events report it. An event counts until a newer pod exists, or until the
// Job is suspended, restarts or ends. So the problem ends when its cause ends, and not when the event expires. Pure.
import { field, moment, text } from '../../objects/fields.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { isFinished } from '../lifecycle/recreate.ts'

/** The Job controller's reason for a pod that the API server rejected. */
export const FAILED_CREATE = 'FailedCreate'
const ENDED = ['Failed', 'Succeeded']
const NEVER = Number.NEGATIVE_INFINITY

/** The problem as a sentence, or undefined. `pods` are the pods of this Job; `warnings` may be about any object. */
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

/** A pod that is being deleted does not count: its replacement may be the pod that cannot be created. */
function isAlive({ metadata, status }: KubernetesObject): boolean {
  return metadata.deletionTimestamp === undefined && !ENDED.includes(text(field(status, 'phase')))
}

/** Milliseconds since 1970. */
export function createdAt({ metadata }: KubernetesObject): number {
  return moment(metadata.creationTimestamp) ?? NEVER
}

/** Every attempt names another pod, NAME-x7k2p. Without the suffix, the same rejection has the same text. */
function withoutPodName(message: string, job: string): string {
  const words = message.replace(/^Error creating: /, '')
  const at = words.indexOf(`"${job}-`)
  if (at < 0) return words
  const after = words.slice(at + job.length + 2)
  return words.slice(0, at) + after.replace(/^[a-z0-9]{1,10}"/, `"${job}"`)
}
