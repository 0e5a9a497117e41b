// Jobs that were stored before the schema refused what they ask for. The API server keeps such a value where a change does not touch
// it: the operator can write its status, and the user can pause, repair and delete the job. It refuses the value where it changes.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { DescribedSchema } from '#scripts/generate/crd.ts'
import { at } from '#scripts/generate/types.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { jobOf } from '../crd-cases.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'

const DEFINITION = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/federatedjobs.fedsam.dev'
const JOBS = '/apis/fedsam.dev/v1alpha1/namespaces/default/federatedjobs'

/** What a job could ask for, or hold, before. */
const REFUSED: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  lora: { trainer: { segmentAnything: { train: ['LoRA'] } } },
  webgpu: { trainer: { segmentAnything: { backend: 'WebGPU' } } },
  layers: { trainer: { type: 'Layers' } },
  outside: { partitions: [{ name: 'a' }, { name: 'b' }, { name: 'c', external: {} }] },
  repaired: { partitions: [{ name: 'a' }, { name: 'b' }, { name: 'c', external: {} }] },
  plain: {
    storage: { s3: { endpoint: 'http://s3:9000' } },
    messaging: { nats: { url: 'nats://nats:4222' } },
  },
  websocket: { messaging: { nats: { url: 'ws://nats:80' } } },
}

interface Definition {
  readonly metadata: { readonly resourceVersion?: string }
  readonly spec: {
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: DescribedSchema } }[]
  }
}
interface Stored {
  readonly metadata: { readonly name: string; readonly generation: number }
  readonly spec: Readonly<Record<string, unknown>> & { readonly partitions: readonly object[] }
}

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
  const strict = await definition()
  await define(withoutRules(strict))
  await until('the old schema is served', () => create('lora', '?dryRun=All').then(() => true))
  for (const name of Object.keys(REFUSED)) await create(name)
  await define(strict)
  await until('the new schema is served', async () => {
    const refusals = Object.keys(REFUSED).map((name) => create(name, '?dryRun=All').catch(isRefusal))
    return (await Promise.all(refusals)).every((refused) => refused === true)
  })
})
after(() => cluster?.stop())

const definition = (): Promise<Definition> => cluster.client.call({ method: 'GET', path: DEFINITION })

async function define({ spec }: Definition): Promise<void> {
  const { metadata, ...rest } = await definition()
  await cluster.client.call({ method: 'PUT', path: DEFINITION, body: { ...rest, metadata, spec } })
}

/** The definition as it was before the rules: the values are accepted. */
function withoutRules(strict: Definition): Definition {
  const before = structuredClone(strict)
  const schema = before.spec.versions[0]!.schema.openAPIV3Schema
  const fields = ['trainer.segmentAnything.train', 'trainer.segmentAnything.backend', 'partitions[]']
  for (const field of fields)
    Object.assign(at(schema, `spec.${field}`), { 'x-kubernetes-validations': undefined })
  const spec = at(schema, 'spec')
  const rules = (spec['x-kubernetes-validations'] ?? []).filter(({ optionalOldSelf }) => !optionalOldSelf)
  Object.assign(spec, { 'x-kubernetes-validations': rules })
  Object.assign(at(schema, 'spec.partitions[].external'), { required: undefined })
  Object.assign(at(schema, 'spec.trainer.type'), { enum: ['SegmentAnything', 'Layers', 'Command'] })
  Object.assign(at(schema, 'spec.messaging.nats.url'), { pattern: undefined })
  return before
}

function create(name: string, query = ''): Promise<Stored> {
  const body = jobOf({ name: query === '' ? name : `${name}-again`, spec: REFUSED[name]! })
  return cluster.client.call({ method: 'POST', path: `${JOBS}${query}`, body })
}

const isRefusal = (error: unknown): boolean => error instanceof ApiError && error.status === 422

async function change(name: string, fields: (spec: Stored['spec']) => object, part = ''): Promise<Stored> {
  const path = `${JOBS}/${name}`
  const stored = await cluster.client.call<Stored>({ method: 'GET', path })
  const body =
    part === ''
      ? { ...stored, spec: { ...stored.spec, ...fields(stored.spec) } }
      : { ...stored, ...fields(stored.spec) }
  return cluster.client.call({ method: 'PUT', path: `${path}${part}`, body })
}

for (const name of Object.keys(REFUSED).filter((name) => name !== 'repaired')) {
  test(`${name}: the status can be written, and the job can be paused and deleted`, async () => {
    await change(name, () => ({ status: { observedGeneration: 1 } }), '/status')
    const paused = await change(name, () => ({ suspend: true }))
    assert.equal(paused.metadata.generation, 2)
    await assert.rejects(create(name, '?dryRun=All'), isRefusal)
    await cluster.client.call({ method: 'DELETE', path: `${JOBS}/${name}` })
  })
}

test('a partition that was external without a key is refused when it changes, and accepted with a key or without external', async () => {
  const third = (fields: object) => (spec: Stored['spec']) => ({
    partitions: [...spec.partitions.slice(0, 2), { name: 'c', ...fields }],
  })
  await assert.rejects(change('repaired', third({ external: {}, serviceAccountName: 'reader' })), isRefusal)
  await change('repaired', third({ external: { publicKey: 'a'.repeat(64) } }))
  await change('repaired', third({}))
  await assert.rejects(change('repaired', third({ external: {} })), isRefusal)
})
