// The CRD in a real API server: it is accepted, and every rule gives the verdict that the command line's evaluator gives.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { type JobCase, jobOf, RULE_CASES } from '../crd-cases.ts'
import { type Cluster, startCluster } from './cluster.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster?.stop())

const JOBS = '/apis/fedsam.dev/v1alpha1/namespaces/default/federatedjobs'
const DRY = '?dryRun=All'

interface Stored {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
}

/** Creates, hands over what was stored, and deletes. */
async function withStored(given: JobCase, use: (stored: Stored) => Promise<void>): Promise<void> {
  const { status, ...body } = jobOf(given)
  const created = await cluster.client.call<Stored>({ method: 'POST', path: JOBS, body })
  const path = `${JOBS}/${created.metadata.name}`
  try {
    const stored = status
      ? await cluster.client.call<Stored>({
          method: 'PUT',
          path: `${path}/status`,
          body: { ...created, status },
        })
      : created
    await use(stored)
  } finally {
    await cluster.client.call({ method: 'DELETE', path })
  }
}

/** Sends a case, keeping nothing; a status goes by its own subresource. */
async function send(given: JobCase): Promise<void> {
  const { status, ...body } = jobOf(given)
  if (!given.old && !status) {
    await cluster.client.call({ method: 'POST', path: `${JOBS}${DRY}`, body })
    return
  }
  await withStored(given.old ?? { ...given, status: undefined as never }, async ({ metadata }) => {
    const path = `${JOBS}/${metadata.name}${status ? '/status' : ''}${DRY}`
    await cluster.client.call({
      method: 'PUT',
      path,
      body: { ...body, metadata, ...(status ? { status } : {}) },
    })
  })
}

test('the CRD is accepted, as a structural schema', async () => {
  const crd = JSON.parse(
    await cluster.server.kubectl(['get', 'crd', 'federatedjobs.fedsam.dev', '-o', 'json']),
  )
  const conditions = crd.status.conditions as { type: string; status: string }[]
  assert.equal(conditions.find(({ type }) => type === 'Established')?.status, 'True')
  assert.equal(
    conditions.find(({ type }) => type === 'NonStructuralSchema'),
    undefined,
  )
})

for (const cases of RULE_CASES) {
  test(`${cases.at}: ${cases.says}`, async () => {
    for (const given of cases.accepts)
      await send(given).catch((error: unknown) => assert.fail(`${JSON.stringify(given)}: ${error}`))
    for (const given of cases.rejects) {
      await assert.rejects(
        send(given),
        (error) => error instanceof ApiError && error.status === 422 && error.message.includes(cases.says),
        JSON.stringify(given),
      )
    }
  })
}

/** What a user writes below spec (or instead of the job's name), and the words that kubectl apply answers with. */
const MISTAKES: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
  ['no partitions', { partitions: undefined }, /spec\.partitions: Required value/],
  ['an empty list of them', { partitions: [] }, /spec\.partitions in body should have at least 1 items/],
  ['a misspelt field', { partitons: [] }, /unknown field "spec\.partitons"/],
  ['no rounds', { rounds: 0 }, /spec\.rounds in body should be greater than or equal to 1/],
  [
    'a word for a number',
    { rounds: 'ten' },
    /spec\.rounds: Invalid value: "string": .* must be of type integer/,
  ],
  [
    'an unknown strategy',
    { strategy: { type: 'FedSGD' } },
    /spec\.strategy\.type: Unsupported value: "FedSGD": supported values: "FedAvg", "FedAvgM"/,
  ],
  [
    'more clients than partitions',
    { strategy: { minFitClients: 3 } },
    /spec\.strategy\.minFitClients: .*is above the number of partitions that train; lower it or add partitions/,
  ],
  [
    "another strategy's parameters",
    { strategy: { fedAdam: {} } },
    /spec\.strategy\.fedAdam: .*remove it or set type to FedAdam/,
  ],
  [
    'a program without words',
    { trainer: { type: 'Command', command: { image: 'mine:1' } } },
    /spec\.trainer\.command: .*set command\.command to the program and its arguments/,
  ],
  [
    'a checkpoint of no known kind',
    { trainer: { segmentAnything: { checkpoint: { uri: 'https://example.com/sam' } } } },
    /checkpoint\.uri: .*has an unknown scheme; write hf:\/\/owner\/name@revision, s3:\/\/bucket\/prefix or a folder/,
  ],
  [
    'two partitions of one name',
    { partitions: [{ name: 'a' }, { name: 'a' }] },
    /spec\.partitions\[1\]: Duplicate value: .*"name":"a"/,
  ],
  [
    'a name that is no label',
    { partitions: [{ name: 'Site_A' }, { name: 'b' }] },
    /spec\.partitions\[0\]\.name in body should match/,
  ],
  [
    'two sources of one partition',
    {
      partitions: [
        { name: 'a', source: { persistentVolumeClaim: { claimName: 'x' }, s3: { uri: 's3://abc/x' } } },
        { name: 'b' },
      ],
    },
    /spec\.partitions\[0\]\.source: .*must be exactly one of persistentVolumeClaim and s3; set one/,
  ],
  [
    'a source in no bucket',
    { partitions: [{ name: 'a', source: { s3: { uri: 'hospital/a' } } }, { name: 'b' }] },
    /spec\.partitions\[0\]\.source\.s3\.uri in body should match '\^s3:/,
  ],
  [
    'an evaluation by nobody',
    { evaluation: { bestBy: { metric: 'dice' } }, strategy: { fractionEvaluate: 0 } },
    /spec\.evaluation: .*nobody would evaluate, because .*; raise fractionEvaluate or remove evaluation/,
  ],
  [
    'a stop that never comes',
    { evaluation: { stopWhen: { metric: 'dice' } } },
    /spec\.evaluation\.stopWhen: .*set one of them or remove stopWhen/,
  ],
  [
    'a device without its domain',
    { workers: { accelerator: { resource: 'gpu' } } },
    /spec\.workers\.accelerator\.resource in body should match/,
  ],
]
for (const [mistake, spec, answer] of MISTAKES) {
  test(`kubectl apply refuses ${mistake}, and says what to write`, async () => {
    const file = JSON.stringify(jobOf({ spec }))
    await assert.rejects(cluster.server.kubectl(['apply', '-f', '-'], file), answer)
  })
}

test('kubectl explain shows the text of a field', async () => {
  const text = await cluster.server.kubectl(['explain', 'fj.spec.round.deadlineSeconds'])
  assert.match(text, /FIELD: deadlineSeconds <integer>[\s\S]*[Ss]econds/)
})

test('jobs are found by what they do, and by who manages them', async () => {
  await withStored({ name: 'selected', spec: { suspend: true } }, async () => {
    const found = (selector: string): Promise<string> =>
      cluster.server.kubectl(['get', 'fedjob', '-o', 'name', '--field-selector', selector])
    assert.match(await found('spec.suspend=true'), /federatedjob\.fedsam\.dev\/selected/)
    assert.doesNotMatch(await found('spec.suspend=false'), /selected/)
    assert.match(await cluster.server.kubectl(['get', 'fedsam', '-o', 'name']), /selected/)
  })
})

test('a job of 1,000 partitions, all external and each with its fields empty, is within the cost of the rules', async () => {
  const site = (_: unknown, i: number) => ({
    name: `p${i}`,
    external: { publicKey: i.toString(16).padStart(64, '0') },
    securityContext: {},
    nodeSelector: {},
    tolerations: [],
  })
  const partitions = Array.from({ length: 1000 }, site)
  const storage = { s3: { publicEndpoint: 'https://fed.example.org' } }
  const messaging = { nats: { publicUrl: 'wss://fed.example.org/bus' } }
  await send({ spec: { partitions, storage, messaging } })
  const labels = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`l${i}`, 'x']))
  const pods = partitions.map((one) => ({ ...one, nodeSelector: labels }))
  await assert.rejects(send({ spec: { partitions: pods, storage, messaging } }), (error: ApiError) => {
    return error.status === 422 && error.message.includes('is set beside external')
  })
})
