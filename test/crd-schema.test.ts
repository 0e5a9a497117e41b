// The CRD as the API server and its users need it: bounded everywhere, every field explained, small, columns and selectors as
// documented, defaults valid, and what is generated from it fresh.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { checkStructure, expected } from '#cli/job/structure.ts'
import { applyDefaults } from '#protocol/defaults.ts'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import { type DescribedSchema, readCrd } from '#scripts/generate/crd.ts'
import { staleFiles } from '#scripts/generate/main.ts'
import { jobOf } from './crd-cases.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TEXT = readFileSync(`${ROOT}crds/fedsam.dev_federatedjobs.yaml`, 'utf8')
const CRD = parse(TEXT) as {
  spec: {
    names: Record<string, unknown>
    versions: [
      {
        additionalPrinterColumns: { name: string; priority?: number }[]
        selectableFields: { jsonPath: string }[]
        schema: { openAPIV3Schema: object }
      },
    ]
  }
}

/** Every node of the schema under its path. */
function nodes(schema: DescribedSchema, at = ''): { at: string; schema: DescribedSchema }[] {
  return [
    { at, schema },
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => nodes(field, `${at}.${name}`)),
    ...(schema.additionalProperties ? nodes(schema.additionalProperties, `${at}.*`) : []),
    ...(schema.items ? nodes(schema.items, `${at}[]`) : []),
  ]
}

// The API server itself bounds these.
const NODES = nodes(readCrd(TEXT)).filter(({ at }) => !['.metadata', '.apiVersion', '.kind'].includes(at))

function failing(holds: (schema: DescribedSchema) => boolean): string[] {
  return NODES.filter(({ schema }) => !holds(schema)).map(({ at }) => at)
}

test('every field is explained in a sentence', () => {
  assert.deepEqual(
    failing(({ description }) => /^.+[.…)]$/.test(description ?? '')),
    [],
  )
})

test('the default in each text is the default', () => {
  const wrong = NODES.filter(({ schema: { description = '', default: value } }) => {
    const said = /Default (.+?)\.(\s|$)/.exec(description)?.[1]
    const isText = typeof value === 'string' && value !== ''
    const shown = isText ? value : Array.isArray(value) ? `[${value.join(', ')}]` : JSON.stringify(value)
    const container = JSON.stringify(value) === '{}'
    if (value === undefined || container) return said !== undefined && said !== '{}'
    return said !== shown && Number(said) !== value
  })
  assert.deepEqual(
    wrong.map(({ at }) => at),
    [],
  )
})

test('every value that a user writes has an example, or is one of few words', () => {
  const written = NODES.filter(
    ({ at }) => at.startsWith('.spec.') && !at.endsWith('[]') && !at.endsWith('.*'),
  )
  const without = written.filter(({ schema: { type, enum: words, properties, description = '' } }) => {
    const chosen =
      type === 'boolean' || words !== undefined || (type === 'object' && properties !== undefined)
    return !chosen && !/E\.g\. |\(.*\)|\{\}/.test(description)
  })
  assert.deepEqual(
    without.map(({ at }) => at),
    [],
  )
})

test('a field with a unit names it in its description', () => {
  const units = [/Seconds(After|$)/, /Bytes$/, /Pixels$/, /^fraction|Fraction$/]
  const words = [/[Ss]econds/, /[Bb]ytes/, /[Pp]ixels/, /share/]
  const without = NODES.filter(({ at, schema: { description = '' } }) => {
    const unit = units.findIndex((pattern) => pattern.test(at.split('.').at(-1) ?? ''))
    return unit >= 0 && !words[unit]!.test(description)
  })
  assert.deepEqual(
    without.map(({ at }) => at),
    [],
  )
})

test('every string, list, map and number is bounded', () => {
  assert.deepEqual(
    failing(({ type, enum: words, maxLength }) => type !== 'string' || !!words || !!maxLength),
    [],
  )
  assert.deepEqual(
    failing(({ type, maxItems }) => type !== 'array' || !!maxItems),
    [],
  )
  assert.deepEqual(
    failing((schema) => schema.type !== 'array' || !!schema['x-kubernetes-list-type']),
    [],
  )
  const isMap = ({ type, properties }: DescribedSchema) => type === 'object' && !properties
  assert.deepEqual(
    failing((schema) => !isMap(schema) || schema.maxProperties !== undefined),
    [],
  )
  const isNumber = ({ type }: DescribedSchema) => type === 'integer' || type === 'number'
  assert.deepEqual(
    failing((schema) => !isNumber(schema) || (schema.minimum !== undefined && schema.maximum !== undefined)),
    [],
  )
})

test('every pattern has words for people', () => {
  assert.deepEqual(
    failing((schema) => !schema.pattern || !expected(schema).startsWith('what matches')),
    [],
  )
})

test('the CRD is far below the 256 KiB that kubectl apply can carry', () => {
  assert.ok(JSON.stringify(CRD).length < 128 * 1024)
})

test('names, columns and selectors are as documented', () => {
  const [version] = CRD.spec.versions
  assert.deepEqual(CRD.spec.names.shortNames, ['fj', 'fedjob'])
  assert.deepEqual(CRD.spec.names.categories, ['fedsam'])
  const columns = (wide: boolean) =>
    version.additionalPrinterColumns
      .filter(({ priority }) => (priority === 1) === wide)
      .map(({ name }) => name)
  assert.deepEqual(columns(false), ['State', 'Round', 'Clients', 'Metric', 'Age'])
  assert.deepEqual(columns(true), ['Loss', 'Message', 'Output'])
  assert.deepEqual(
    version.selectableFields.map(({ jsonPath }) => jsonPath),
    ['.spec.managedBy', '.spec.suspend', '.status.summary.state'],
  )
})

test('a job with all defaults passes the schema, here and in an independent validator', () => {
  const job = applyDefaults(FEDERATED_JOB_SCHEMA, jobOf({}))
  assert.deepEqual(checkStructure(FEDERATED_JOB_SCHEMA, job), [])
  const schema = JSON.parse(JSON.stringify(CRD.spec.versions[0].schema.openAPIV3Schema), draft7)
  const validate = new Ajv({
    strict: false,
    formats: { int32: true, int64: true, 'date-time': true },
  }).compile(schema)
  assert.ok(validate(job), JSON.stringify(validate.errors))
})

/** OpenAPI 3.0 says of a bound that it is exclusive; later drafts write the bound there. */
function draft7(_: string, node: unknown): unknown {
  const bounds = node as {
    exclusiveMinimum?: unknown
    exclusiveMaximum?: unknown
    minimum?: unknown
    maximum?: unknown
  }
  if (bounds?.exclusiveMinimum === true) bounds.exclusiveMinimum = bounds.minimum
  if (bounds?.exclusiveMaximum === true) bounds.exclusiveMaximum = bounds.maximum
  return node
}

test('generated files are fresh', () => {
  assert.deepEqual(staleFiles(ROOT), [])
})

test('the generators refuse what they do not know', () => {
  const changed = TEXT.replace('format: int32', 'multipleOf: 2')
  assert.throws(() => readCrd(changed), /the generators do not know multipleOf/)
  const plain = TEXT.replace('x-kubernetes-int-or-string: true', 'type: string')
  assert.throws(() => readCrd(plain), /anyOf is known only for x-kubernetes-int-or-string/)
})
