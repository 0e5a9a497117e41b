// The API promises nothing that the product lacks: a program reads every field of a job's spec and every value of its lists of words,
// and a program writes every field of its status. What is reserved is listed here, and a rule of the schema refuses it.
// The command line does not count: to show a field is not to serve it. Nor does completing a spec (protocol/defaults.ts).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findProblems } from '#cli/job/load.ts'
import { pathText } from '#cli/job/problem.ts'
import { programRun } from '#coordinator/run/program-run.ts'
import { STRATEGIES, strategyFrom } from '#coordinator/strategies/registry.ts'
import { completeSpec, parametersField } from '#protocol/defaults.ts'
import { type DescribedSchema, readCrd } from '#scripts/generate/crd.ts'
import { SAME_AS, TYPE_NAMES } from '#scripts/generate/names.ts'
import { readSettings } from '#worker/trainer/settings.ts'
import { FieldUses, type TypePlace } from './architecture/field-uses.ts'
import { jobOf } from './crd-cases.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PROGRAMS =
  /^(protocol|runtime|transport|coordinator|worker|operator)\/(?!generated\/).*(?<!\.test)\.ts$/
const NO_READERS = ['protocol/defaults.ts']

const generated = (type: string): TypePlace => ({ file: 'protocol/generated/federatedjob.ts', type })
const settings = (type: string): TypePlace => ({ file: 'worker/trainer/settings.ts', type })
const kubernetes = (type: string): TypePlace => ({
  file: `node_modules/@kubernetes/client-node/dist/gen/models/${type}.d.ts`,
  type,
})

/** Objects that reach a reader as JSON, so that no type shows it. */
const SENT: readonly (readonly [from: TypePlace, to: TypePlace])[] = [
  [generated('CompleteSegmentAnythingSpec'), settings('TrainerSettings.trainer')],
  [generated('CompleteDatasetSpec'), settings('TrainerSettings.dataset')],
  [generated('CompleteTolerationSpec'), kubernetes('V1Toleration')],
  [generated('CompleteCommandSpec.env[]'), kubernetes('V1EnvVar')],
  [{ file: 'operator/reconcile/contract.ts', type: 'OperatorStatus' }, generated('FederatedJobStatus')],
]
/** Objects whose fields Kubernetes reads. */
const READ_BY_KUBERNETES = [kubernetes('V1Toleration'), kubernetes('V1EnvVar')]

type Asked = Readonly<Record<string, unknown>>

/** Fields that no program reads, with a spec that sets each. A rule of the schema refuses it until its program is built. */
const RESERVED_FIELDS: readonly (readonly [field: string, spec: Asked])[] = []
/** Values that no program serves, of fields that a program reads. */
const RESERVED_VALUES: readonly (readonly [field: string, spec: Asked])[] = [
  ['spec.trainer.segmentAnything.train', sam({ train: ['LoRA'] })],
  ['spec.trainer.segmentAnything.backend', sam({ backend: 'WebGPU' })],
]
const RESERVED_WORDS = ['LoRA', 'WebGPU']
const UNREAD = RESERVED_FIELDS.map(([field]) => field)

function sam(fields: object): Asked {
  return { trainer: { segmentAnything: fields } }
}

interface Field {
  /** "spec.partitions[].dataset" */
  readonly parent: string
  readonly name: string
  readonly schema: DescribedSchema
}

function fieldsOf(schema: DescribedSchema, at: string): Field[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    { parent: at, name, schema: field },
    ...fieldsOf(field, `${at}.${name}`),
  ])
  return [...own, ...(schema.items ? fieldsOf(schema.items, `${at}[]`) : [])]
}

/** The type that the generator gives to an object of the schema. */
function typeOf(place: string): string {
  const named = TYPE_NAMES[SAME_AS[place] ?? place]
  if (named !== undefined) return named
  const end = place.lastIndexOf('.')
  return `${typeOf(place.slice(0, end))}${place.slice(end)}`
}

const pathOf = ({ parent, name }: Field): string => `${parent}.${name}`

const { spec, status } = readCrd(readFileSync(`${ROOT}crds/fedsam.dev_federatedjobs.yaml`, 'utf8'))
  .properties!
const SPEC = fieldsOf(spec!, 'spec')
const STATUS = fieldsOf(status!, 'status')

const uses = new FieldUses({
  root: ROOT.slice(0, -1),
  includes: (file) => PROGRAMS.test(file) && !NO_READERS.includes(file),
  fields: new Set([...SPEC, ...STATUS].map(({ name }) => name)),
})
after(() => uses.close())
for (const [from, to] of SENT) uses.addFlow(from, to)
for (const type of READ_BY_KUBERNETES) uses.addReader(type)

/** strategyFrom finds the parameters of a type by its name, so no type shows that it reads this field. */
function isParameters({ parent, name }: Field): boolean {
  return parent === 'spec.strategy' && Object.keys(STRATEGIES).some((type) => parametersField(type) === name)
}

function isRead(field: Field): boolean {
  const type = typeOf(field.parent)
  const forms = [generated(type), generated(`Complete${type}`)]
  return forms.some((form) => uses.isRead(form, field.name)) || isParameters(field)
}

test('a program reads every field of the spec, except those that are refused', () => {
  const unread = SPEC.filter((field) => !isRead(field)).map(pathOf)
  const within = (path: string, field: string): boolean => path === field || path.startsWith(`${field}.`)
  assert.deepEqual(
    unread.filter((path) => !UNREAD.some((field) => within(path, field))),
    [],
  )
  const served = UNREAD.filter((field) => !unread.includes(field))
  assert.deepEqual(served, [], 'a program reads these now: take the refusal away')
})

test('a program writes every field of the status', () => {
  const unwritten = STATUS.filter(({ parent, name }) => !uses.isWritten(generated(typeOf(parent)), name))
  assert.deepEqual(unwritten.map(pathOf), [])
})

for (const [field, asked] of [...RESERVED_FIELDS, ...RESERVED_VALUES]) {
  test(`${field}: a rule refuses what no program serves`, () => {
    const problems = findProblems(jobOf({ spec: asked }))
    assert.deepEqual(
      problems.map(({ path }) => pathText(path)),
      [field],
    )
  })
}

const PROGRAM = { command: ['p'], env: {}, folder: '/f', noProgressSeconds: 1 } as const

/** Who takes each word of a list. Throws where nobody does. */
const SERVES: Readonly<Record<string, (word: string) => unknown>> = {
  // A Program is another kind of run: coordinator/run/program-run.ts.
  'spec.strategy.type': (type) =>
    type === 'Program' ? programRun({ restarts: 0 }, PROGRAM) : strategyFrom({ type }),
  'spec.trainer.segmentAnything.train[]': (part) => trainerOf({ train: [part] }),
  'spec.trainer.segmentAnything.optimizer': (optimizer) => trainerOf({ optimizer }),
  'spec.trainer.segmentAnything.loss': (loss) => trainerOf({ loss }),
  'spec.trainer.segmentAnything.prompts': (prompts) => trainerOf({ prompts }),
  'spec.trainer.segmentAnything.backend': (backend) => trainerOf({ backend }),
  'spec.partitions[].dataset.layout': (layout) => trainerOf({}, { dataset: { layout } }),
  'spec.workers.accelerator.whenUnseen': (whenUnseen) => trainerOf({}, { whenUnseen }),
}

/** The built-in trainer reads its settings. Throws where they hold a word that it does not know. */
function trainerOf(fields: object, others: { dataset?: object; whenUnseen?: string } = {}): unknown {
  const { trainer, partitions } = completeSpec({ partitions: [{ name: 'a' }] })
  const { dataset, ...rest } = others
  return readSettings(
    JSON.stringify({
      trainer: { ...trainer.segmentAnything, ...fields },
      dataset: { ...partitions[0]!.dataset, ...dataset },
      checkpoint: 'c',
      cache: 'c',
      ...rest,
    }),
  )
}

/** Lists whose words the code tells apart by itself, or that Kubernetes reads. A new word needs a program that serves it. */
const TOLD_APART: Readonly<Record<string, readonly string[]>> = {
  'spec.strategy.clientState': ['Record', 'Local'],
  'spec.trainer.type': ['SegmentAnything', 'Command'],
  'spec.evaluation.bestBy.mode': ['Max', 'Min'],
  'spec.evaluation.stopWhen.mode': ['Max', 'Min'],
  'spec.partitions[].tolerations[].operator': ['Equal', 'Exists'],
  'spec.partitions[].tolerations[].effect': ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
}

test('every word of a list is served, or a rule refuses it', () => {
  const unserved = SPEC.flatMap((field) => {
    const place = `${SAME_AS[field.parent] ?? field.parent}.${field.name}`
    const { enum: words = [], items } = field.schema
    return [...unservedWords(place, words), ...unservedWords(`${place}[]`, items?.enum ?? [])]
  })
  assert.deepEqual(unserved, RESERVED_WORDS)
})

function unservedWords(place: string, words: readonly string[]): string[] {
  const serve = SERVES[place]
  return words.filter((word) => {
    if (!serve) return !TOLD_APART[place]?.includes(word)
    try {
      serve(word)
      return false
    } catch {
      return true
    }
  })
}
