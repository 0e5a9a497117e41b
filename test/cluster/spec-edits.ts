// Edits of a job's spec, made from the schema: every field that may change, every field that may not, with values inside and outside
// of what is allowed. And an API server in memory that takes or refuses them by the schema and its rules, for many edits a second.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { parse } from 'yaml'
import { findProblems } from '#cli/job/load.ts'
import { checkRules } from '#cli/job/rules.ts'
import { checkStructure } from '#cli/job/structure.ts'
import { applyDefaults } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import { type DescribedSchema, readCrd } from '#scripts/generate/crd.ts'

export type Spec = Readonly<Record<string, unknown>> | FederatedJobSpec
type Path = readonly (string | number)[]

/** One change: a value at a path (undefined removes it), or a list of partitions by names. */
export type Edit =
  | { readonly path: Path; readonly value: unknown }
  | { readonly partitions: readonly string[] }

const CRD = new URL('../../crds/fedsam.dev_federatedjobs.yaml', import.meta.url)
const SPEC = readCrd(readFileSync(CRD, 'utf8')).properties!.spec!
const MUTABLE = ['rounds', 'suspend', 'round', 'partitions', 'ttlSecondsAfterFinished']

interface Place {
  readonly path: Path
  readonly values: readonly unknown[]
}

/** Every place of the spec with values to try; those of partitions are of the first one. */
function places(schema: DescribedSchema, path: Path = []): Place[] {
  const own = path.length === 0 ? [] : [{ path, values: valuesFor(schema) }]
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    places(field, [...path, name]),
  )
  const items = path.at(-1) === 'partitions' ? places(schema.items!, [...path, 0]) : []
  return [...own, ...fields, ...items].filter(({ values }) => values.length > 0)
}

function valuesFor(schema: DescribedSchema): unknown[] {
  const { type, enum: words, minimum, maximum, maxLength } = schema
  const example = exampleOf(schema)
  const wrongType = type === 'string' || type === undefined ? {} : 'no such value'
  return [
    undefined,
    wrongType,
    ...(schema.default === undefined ? [] : [schema.default]),
    ...(example === undefined ? [] : [example]),
    ...(words ? [...words, 'Nonsense'] : []),
    ...(type === 'boolean' ? [true, false] : []),
    ...(minimum === undefined ? [] : [minimum, minimum + 1, minimum - 1]),
    ...(maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? [] : [maximum, maximum + 1]),
    ...(maxLength === undefined ? [] : ['x'.repeat(maxLength + 1)]),
  ]
}

/** The example in a field's text, where it is a value of the field. */
function exampleOf(schema: DescribedSchema): unknown {
  const said = /E\.g\. (.+?)\.(\s|$)/.exec(schema.description ?? '')?.[1]
  if (said === undefined) return undefined
  try {
    const value: unknown = parse(said)
    return checkStructure(schema, value).length === 0 ? value : undefined
  } catch {
    return undefined
  }
}

const PLACES = places(SPEC)
const isMutable = ({ path }: Place): boolean => MUTABLE.includes(String(path[0]))
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 })

const at = (list: readonly Place[]): fc.Arbitrary<Edit> =>
  fc
    .constantFrom(...list)
    .chain(({ path, values }) => fc.record({ path: fc.constant(path), value: fc.constantFrom(...values) }))

/** Every field that the edits can reach. */
export const REACHED = PLACES.map(({ path }) => path.join('.'))

/** Mostly edits of what may change. */
const EDITS: fc.Arbitrary<Edit[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: at(PLACES.filter(isMutable)) },
    { weight: 2, arbitrary: fc.record({ partitions: names }) },
    { weight: 1, arbitrary: at(PLACES.filter((place) => !isMutable(place))) },
  ),
  { minLength: 2, maxLength: 8 },
)

/** The spec with the edit; partitions that stay keep what they are. */
export function edited(spec: Spec, edit: Edit): Spec {
  if ('path' in edit) return changed(spec, edit.path, edit.value) as Spec
  const before = spec.partitions as readonly { name: string }[]
  const partitions = edit.partitions.map((name) => before.find((old) => old.name === name) ?? { name })
  return { ...spec, partitions }
}

function changed(value: unknown, [key, ...rest]: Path, next: unknown): unknown {
  if (key === undefined) return next
  if (Array.isArray(value)) return value.map((item, i) => (i === key ? changed(item, rest, next) : item))
  const { [key]: before, ...others } = (value ?? {}) as Record<string | number, unknown>
  const after = changed(before, rest, next)
  return after === undefined ? others : { ...others, [key]: after }
}

/** The spec as it would be stored instead of `old`, or undefined where it is refused. */
export function stored(old: Spec | undefined, spec: Spec): FederatedJobSpec | undefined {
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain', namespace: 'team' },
    spec,
  }
  if (findProblems(job).length > 0) return undefined
  const completed = applyDefaults(FEDERATED_JOB_SCHEMA, job) as { spec: FederatedJobSpec }
  const refused = old === undefined ? [] : checkRules(completed, { old: { ...job, spec: old } })
  return refused.length > 0 ? undefined : completed.spec
}

/** What every sequence begins with. */
export const FIRST = stored(undefined, {
  rounds: 5,
  partitions: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
  strategy: { minFitClients: 1, minAvailableClients: 1 },
  storage: { s3: {} },
  messaging: { nats: {} },
})!

export interface Sequence {
  readonly edits: readonly Edit[]
  /** Whether the operator sees the job after each edit. */
  readonly seen: readonly boolean[]
  readonly rollback: boolean
}
export const SEQUENCES = fc.record({
  edits: EDITS,
  seen: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  rollback: fc.boolean(),
})

/** What is to be stored, one after the other: the edits, and perhaps what was there at first. */
export function* wishes({ edits, rollback }: Sequence, current: () => Spec): Generator<Spec> {
  for (const edit of edits) yield edited(current(), edit)
  if (rollback) yield { ...FIRST, rounds: current().rounds }
}
