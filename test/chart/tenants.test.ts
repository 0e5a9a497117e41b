// Who may do what with which key of the quickstart's stores: two tenants with a run each, on the real servers, cell by cell. A
// coordinator has its tenant's keys; a client has grants.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type Grant, GrantRefused, type ObjectStore } from '#transport/ports.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { render, values } from './helm.ts'
import { tenantServer, trusting } from './servers.ts'

const BODY = Buffer.from('an update')
const TERMS = { size: BODY.byteLength, sha256: sha256(BODY) }
const TENANTS = ['team-a', 'team-b'] as const
type Tenant = (typeof TENANTS)[number]
const runOf = (tenant: Tenant): string => `${tenant}/brain/uid-of-${tenant}`
const base = (tenant: Tenant): string => `${runOf(tenant)}/base/config.json`
/** A key that nobody wrote before. */
const fresh = (tenant: Tenant): string => `${runOf(tenant)}/rounds/1/${crypto.randomUUID()}`

type Cell = 'allowed' | 'refused'

async function cell(act: () => Promise<unknown>): Promise<Cell> {
  try {
    await act()
    return 'allowed'
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { $metadata?: { httpStatusCode?: number } } }
    const isRefusal = error instanceof GrantRefused || cause?.$metadata?.httpStatusCode === 403
    assert.ok(isRefusal, `neither allowed nor refused: ${message}`)
    return 'refused'
  }
}

/** What an account does with a run's keys. */
const ACTS: Readonly<Record<string, (store: ObjectStore, run: Tenant) => Promise<unknown>>> = {
  read: async (store, run) => assert.ok(await store.get(base(run))),
  write: (store, run) => store.put(fresh(run), BODY),
  delete: (store, run) => store.delete(fresh(run)),
  upload: (store, run) => store.openUpload(fresh(run)),
}

/** A grant for another key or another server: the same signature. */
function moved(
  grant: Grant,
  to: { readonly endpoint?: string; readonly key: string; readonly bucket: string },
): Grant {
  const url = new URL(grant.url)
  url.pathname = `/${to.bucket}/${to.key}`
  if (to.endpoint === undefined) return { ...grant, url: String(url) }
  return { ...grant, url: String(url).replace(url.origin, to.endpoint) }
}

test('keys of one tenant are refused on the runs of another, and a grant is good for its own key alone', async () => {
  const objects = await render(...values('quickstart'), '--set', `quickstart.namespaces={${TENANTS}}`)
  await trusting(objects, 'team-a', () =>
    tenantServer(objects, 'team-a', (a) =>
      tenantServer(objects, 'team-b', (b) => matrix({ 'team-a': a, 'team-b': b })),
    ),
  )
})

async function matrix(places: Readonly<Record<Tenant, S3Options>>): Promise<void> {
  const own = (tenant: Tenant): ObjectStore => openS3Store(places[tenant])
  for (const tenant of TENANTS) await own(tenant).put(base(tenant), BODY)
  await accounts(places)
  for (const tenant of TENANTS) await grants(places, tenant, own(tenant))
}

/** Every account, with every act, on every tenant's server and run. */
async function accounts(places: Readonly<Record<Tenant, S3Options>>): Promise<void> {
  const table: Record<string, Cell> = {}
  const wanted: Record<string, Cell> = {}
  for (const account of [...TENANTS, 'nobody'] as const)
    for (const server of TENANTS)
      for (const [act, work] of Object.entries(ACTS)) {
        const known = account === 'nobody' ? { accessKeyId: 'x', secretAccessKey: 'y' } : undefined
        const credentials = known ?? places[account as Tenant].credentials!
        const store = openS3Store({ ...places[server], credentials })
        const name = `${account}: ${act} of ${server}`
        table[name] = await cell(() => work(store, server))
        wanted[name] = account === server ? 'allowed' : 'refused'
        await store.close()
      }
  assert.equal(Object.keys(table).length, 24)
  assert.deepEqual(table, wanted)
}

/** Every grant of one run, on every key of both runs. */
async function grants(
  places: Readonly<Record<Tenant, S3Options>>,
  tenant: Tenant,
  store: ObjectStore,
): Promise<void> {
  const transfers = createGrantedTransfers({ attempts: 1 })
  const other = TENANTS.find((one) => one !== tenant)!
  const place = (of: Tenant) => ({ endpoint: places[of].endpoint!, bucket: places[of].bucket })
  const update = fresh(tenant)
  const toWrite = await store.grantWrite(update, TERMS, 60)
  const toRead = await store.grantRead(base(tenant), 60)
  const read = (grant: Grant) => cell(() => transfers.read(grant))
  const write = (grant: Grant) => cell(() => transfers.write(grant, BODY))
  const here = place(tenant)
  const there = place(other)
  assert.deepEqual(
    {
      'read what was granted': await read(toRead),
      'read another key of the run': await read(moved(toRead, { ...here, key: `${runOf(tenant)}/run.json` })),
      'read the same key with a grant to write': await read({ ...toWrite, method: 'GET' }),
      "read the other tenant's key here": await read(moved(toRead, { ...here, key: base(other) })),
      "read the other tenant's key there": await read(moved(toRead, { ...there, key: base(other) })),
      'read the same key there': await read(moved(toRead, { ...there, key: base(tenant) })),
      'write with a grant to read': await write({ ...toRead, method: 'PUT' }),
      'write another key of the run': await write(moved(toWrite, { ...here, key: fresh(tenant) })),
      "write the other tenant's key here": await write(moved(toWrite, { ...here, key: fresh(other) })),
      "write the other tenant's key there": await write(moved(toWrite, { ...there, key: fresh(other) })),
      'write the same key there': await write(moved(toWrite, { ...there, key: update })),
      'write what was granted': await write(toWrite),
    },
    {
      'read what was granted': 'allowed',
      'read another key of the run': 'refused',
      'read the same key with a grant to write': 'refused',
      "read the other tenant's key here": 'refused',
      "read the other tenant's key there": 'refused',
      'read the same key there': 'refused',
      'write with a grant to read': 'refused',
      'write another key of the run': 'refused',
      "write the other tenant's key here": 'refused',
      "write the other tenant's key there": 'refused',
      'write the same key there': 'refused',
      'write what was granted': 'allowed',
    },
  )
  await store.close()
}
