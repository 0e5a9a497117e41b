// Applies --set path=value, which changes one field of a job before the checks. A path may omit "spec.". A list's items have
// indices; the index after the last adds an item. The value is YAML ("3", "true", "[2]", "{root: data/a}"); an empty one
// selects the default.
import { readValue } from './document.ts'
import { type Path, pathText } from './problem.ts'

/** One --set: the path, the value, and `text`, the argument as the user wrote it. */
export interface Override {
  readonly text: string
  readonly path: Path
  readonly value: unknown
}

/** Reads one --set. A failure names the problem and, after a semicolon, the remedy. */
export function readOverride(text: string): Override | { readonly problem: string } {
  const equals = text.indexOf('=')
  const written = equals < 0 ? text : text.slice(0, equals)
  if (equals < 0 || !/^[A-Za-z_][\w/-]*(\.[A-Za-z_][\w/-]*|\[\d{1,4}\])*$/.test(written)) {
    return { problem: 'is not path=value; write for example rounds=3 or partitions[0].dataset.root=data/a' }
  }
  const steps = [...written.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([step, index]) =>
    index === undefined ? step : Number(index),
  )
  const path = ['spec', 'metadata', 'apiVersion', 'kind'].includes(String(steps[0]))
    ? steps
    : ['spec', ...steps]
  if (path.includes('__proto__')) return { problem: `${pathText(path)}: is not a field; remove it` }
  const read = readValue(text.slice(equals + 1))
  return 'problem' in read ? { problem: `its value ${read.problem}` } : { text, path, value: read.value }
}

/** A copy of `job` with the field set, or the reason why it cannot be set. Creates absent objects on the path. */
export function applyOverride(
  job: unknown,
  { path, value }: Override,
): { readonly job: unknown } | { readonly problem: string } {
  const copy = structuredClone(job)
  let node = copy
  for (const [depth, step] of path.entries()) {
    const problem = stepProblem(node, step, path.slice(0, depth))
    if (problem) return { problem }
    const fields = node as Record<string | number, unknown>
    if (depth === path.length - 1) fields[step] = value
    // Only the job's own fields count: every JavaScript object has toString.
    else if (!Object.hasOwn(fields, step) || fields[step] == null) {
      fields[step] = typeof path[depth + 1] === 'number' ? [] : {}
    }
    node = fields[step]
  }
  return { job: copy }
}

function stepProblem(node: unknown, step: string | number, path: Path): string | undefined {
  const here = pathText(path)
  if (typeof step === 'number') {
    if (!Array.isArray(node)) return `${here} is not a list; leave out [${step}]`
    if (step > node.length) return `${here} has ${node.length} items; use an index from 0 to ${node.length}`
    return undefined
  }
  if (Array.isArray(node)) return `${here} is a list; write ${here}[0].${step}`
  if (typeof node !== 'object' || node === null) return `${here} is not an object; it has no field ${step}`
  return undefined
}
