// The CRD in a real API server: it is accepted, and every rule gives the verdict that the command line's evaluator gives.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ApiError } from '#transport/kubernetes.ts'
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
