// Why a partition has no running worker, as a sentence for people: from the pod's conditions, its containers' states, the events
// about it, and its Job's end. The first that applies is said.
import type { Json, KubernetesObject, PodEvent } from './objects.ts'

const IMAGE = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']
const MOUNT = ['FailedMount', 'FailedAttachVolume', 'FailedCreatePodSandBox']

/** What is wrong with a pod, or undefined where nothing is known to be. */
export function podProblem(pod: KubernetesObject, events: readonly PodEvent[]): string | undefined {
  const unscheduled = conditionOf(pod, 'PodScheduled')
  if (unscheduled?.status === 'False') return `pending, ${unscheduled.message ?? unscheduled.reason}`
  for (const status of containerStatuses(pod)) {
    const problem = containerProblem(status)
    if (problem !== undefined) return problem
  }
  if (isReady(pod)) return undefined
  // What hinders a mount stands in no status, only in events.
  return events.findLast(({ pod: name, reason }) => name === pod.metadata.name && MOUNT.includes(reason))
    ?.message
}

/** Why a Job will not be tried again, or undefined. */
export function jobFailure(job: KubernetesObject): string | undefined {
  const failed = conditionOf(job, 'Failed')
  return failed?.status === 'True' ? `failed, ${failed.reason}: ${failed.message ?? ''}` : undefined
}

export function isReady(pod: KubernetesObject): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True'
}

/** Exit codes of a pod's containers that have ended. */
export function exitCodes(pod: KubernetesObject): number[] {
  return containerStatuses(pod).flatMap(({ state }) => {
    const code = field(field(state, 'terminated'), 'exitCode')
    return typeof code === 'number' ? [code] : []
  })
}

function containerProblem(status: Json): string | undefined {
  const [waiting, terminated] = [field(status.state, 'waiting'), field(status.state, 'terminated')]
  const last = field(status.lastState, 'terminated')
  if (field(terminated, 'reason') === 'OOMKilled' || field(last, 'reason') === 'OOMKilled')
    return `container ${status.name} ran out of memory; raise its limit`
  const reason = field(waiting, 'reason')
  const message = field(waiting, 'message') ?? ''
  if (IMAGE.includes(String(reason))) return `image ${status.image} cannot be pulled, ${reason}: ${message}`
  if (reason === 'CreateContainerConfigError') return `container ${status.name}: ${message}`
  const code = field(terminated, 'exitCode')
  return typeof code === 'number' && code !== 0
    ? `container ${status.name} ended with exit code ${code}`
    : undefined
}

function containerStatuses(pod: KubernetesObject): Json[] {
  const lists = ['initContainerStatuses', 'containerStatuses'].map((name) => field(pod.status, name))
  return lists.flatMap(maps)
}

function conditionOf(object: KubernetesObject, type: string): Json | undefined {
  return maps(field(object.status, 'conditions')).find((condition) => condition.type === type)
}

/** The maps of a list; what is neither is left out. */
function maps(list: unknown): Json[] {
  return Array.isArray(list) ? list.filter((item) => typeof item === 'object' && item !== null) : []
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Json)[name] : undefined
}
