// What is wrong with a container, as a sentence for people: its image, a missing object that it names, its memory, or
// its exit code with the termination message of its program. Pure.
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { field, maps, text } from '../../objects/fields.ts'
import type { Json, KubernetesObject } from '../../objects/shapes.ts'

/** The kubelet's reasons of a container that waits for its image. */
const IMAGE = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]
/**
 * The kubelet's reasons of a container that it cannot create: a missing Secret, ConfigMap or key, a forbidden user, a
 * missing program.
 */
const CREATE = ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']

const EXITS = Object.values(POD_EXITS)
/** The meaning of exit codes that every shell uses. */
const SHELL: Readonly<Record<number, string>> = {
  126: 'the program cannot be executed',
  127: 'the program is not in the image',
  137: 'killed by SIGKILL',
}

interface ContainerFacts {
  /** Earlier ends of a ready pod's containers are history, not problems. */
  readonly podReady: boolean
  /** The container's limit, such as 4Gi; undefined without one. */
  readonly memoryLimit: string | undefined
}

/** The problem of a container with this status, or undefined. */
export function containerProblem(status: Json, facts: ContainerFacts): string | undefined {
  const name = text(status.name)
  const waiting = field(status.state, 'waiting')
  const [reason, message] = [text(field(waiting, 'reason')), text(field(waiting, 'message'))]
  if (IMAGE.includes(reason)) return `image ${text(status.image)} cannot be pulled, ${reason}: ${message}`
  if (CREATE.includes(reason)) return `container ${name}: ${message || reason}`
  const now = endProblem(name, field(status.state, 'terminated'), facts)
  if (now !== undefined || facts.podReady) return now
  const before = endProblem(name, field(status.lastState, 'terminated'), facts)
  if (before === undefined) return undefined
  const count = typeof status.restartCount === 'number' ? status.restartCount : 1
  return `${before} (restarted ${count === 1 ? 'once' : `${count} times`})`
}

/** An end of a container that was not expected. */
function endProblem(name: string, terminated: unknown, { memoryLimit }: ContainerFacts): string | undefined {
  if (terminated === undefined || terminated === null) return undefined
  if (field(terminated, 'reason') === 'OOMKilled') {
    const limit = memoryLimit === undefined ? '' : ` of ${memoryLimit}`
    return `container ${name} ran out of memory; raise its memory limit${limit}`
  }
  const code = field(terminated, 'exitCode')
  if (typeof code !== 'number' || code === 0) return undefined
  const exit = EXITS.find((known) => known.code === code)
  // It was asked to stop, or replaced: the next container starts without help.
  if (exit?.action === 'Ignore') return undefined
  const meaning = exit?.meaning ?? SHELL[code]
  const words = lastWords(field(terminated, 'message'))
  return `container ${name} ended with exit code ${code}${meaning ? ` (${meaning})` : ''}${words ? `: ${words}` : ''}`
}

/**
 * The termination message as text. Our programs write JSON with message and remedy; of other programs it is the end
 * of the log.
 */
export function lastWords(message: unknown): string {
  const whole = text(message).trim()
  const lines = whole.split('\n')
  for (const candidate of [whole, lines.at(-1) ?? '']) {
    const read = readJson(candidate)
    if (typeof field(read, 'message') !== 'string') continue
    return [field(read, 'message'), field(read, 'remedy')].map(text).filter(Boolean).join('; ')
  }
  return lines.slice(-3).join(' ').slice(-300)
}

function readJson(candidate: string): unknown {
  if (!candidate.startsWith('{')) return undefined
  try {
    return JSON.parse(candidate)
  } catch {
    return undefined
  }
}

/** The statuses of all containers, init containers first. */
export function containerStatuses(pod: KubernetesObject): Json[] {
  return ['initContainerStatuses', 'containerStatuses'].flatMap((name) => maps(field(pod.status, name)))
}

/** The termination message of a container that ended with this exit code; undefined where none did. */
export function endedWith(pod: KubernetesObject, code: number): string | undefined {
  const terminated = containerStatuses(pod).map((status) => field(status.state, 'terminated'))
  const found = terminated.find((end) => field(end, 'exitCode') === code)
  return found === undefined ? undefined : lastWords(field(found, 'message'))
}
