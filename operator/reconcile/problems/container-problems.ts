// What is wrong with a container, as a sentence for people: its image, what it names, its memory, its exit code by the table, and
// what its program left in the termination message.
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { field, maps, text } from '../../objects/fields.ts'
import type { Json, KubernetesObject } from '../../objects/shapes.ts'

const IMAGE = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]
/** A Secret, ConfigMap or key that is not there, a user that may not be, a program that is not in the image. */
const CREATE = ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']

const EXITS = Object.values(POD_EXITS)
/** What a shell says with an exit code. */
const SHELL: Readonly<Record<number, string>> = {
  126: 'the program cannot be executed',
  127: 'the program is not in the image',
  137: 'killed',
}

interface ContainerFacts {
  /** Of a pod that is ready, earlier ends are history. */
  readonly podReady: boolean
  readonly memoryLimit: string | undefined
}

/** What is wrong with a container, or undefined. */
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
  return `${before} (started anew ${count === 1 ? 'once' : `${count} times`})`
}

/** A container's end that was none to be expected. */
function endProblem(name: string, terminated: unknown, { memoryLimit }: ContainerFacts): string | undefined {
  if (terminated === undefined || terminated === null) return undefined
  if (field(terminated, 'reason') === 'OOMKilled') {
    const limit = memoryLimit === undefined ? '' : ` of ${memoryLimit}`
    return `container ${name} ran out of memory; raise its limit${limit}`
  }
  const code = field(terminated, 'exitCode')
  if (typeof code !== 'number' || code === 0) return undefined
  const exit = EXITS.find((known) => known.code === code)
  // Asked to stop, or replaced: what comes next is on its way.
  if (exit?.action === 'Ignore') return undefined
  const meaning = exit?.meaning ?? SHELL[code]
  const said = lastWords(field(terminated, 'message'))
  return `container ${name} ended with exit code ${code}${meaning ? ` (${meaning})` : ''}${said ? `: ${said}` : ''}`
}

/** The termination message: our programs leave JSON with message and remedy, others the end of their log. */
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

/** All containers' statuses, those of init containers first. */
export function containerStatuses(pod: KubernetesObject): Json[] {
  return ['initContainerStatuses', 'containerStatuses'].flatMap((name) => maps(field(pod.status, name)))
}

/** A container that ended with this exit code, and what it said. */
export function endedWith(pod: KubernetesObject, code: number): { readonly said: string } | undefined {
  const terminated = containerStatuses(pod).map((status) => field(status.state, 'terminated'))
  const found = terminated.find((end) => field(end, 'exitCode') === code)
  return found === undefined ? undefined : { said: lastWords(field(found, 'message')) }
}
