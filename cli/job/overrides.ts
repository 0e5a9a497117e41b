// --set path=value: changes one field of a job before it is checked. A path may leave out "spec."; a list's items go by index,
// one past the last adds one; the value is YAML ("3", "true", "[2]", "{root: data/a}", nothing for the default).
import { readValue } from './document.ts'
import { type Path, pathText } from './problem.ts'

/** What one --set asks for. `text` is as it was written. */
export interface Override {
  readonly text: string
  readonly path: Path
  readonly value: unknown
}

/** Reads one --set, or says what is wrong with it and, after a semicolon, what to do. */
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

/** A copy of `job` with the field set, or what is in the way. Objects on the way that are absent are made. */
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
    // A field of the job itself: toString is on every object of the language.
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
