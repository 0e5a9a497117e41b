// A site whose proxy cuts every connection after 20 seconds, on a line that adds 200 ms and loses each fiftieth packet. A model takes
// longer than a connection lives, in both directions, so each transfer must resume. Needs Linux, root, python3 and /dev/net/tun, and no
// module of the kernel.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PIECE_BYTES } from '#protocol/messages.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { layBadWire } from '../faults/bad-wire.ts'
import { startConnectProxy } from '../faults/connect-proxy.ts'
import { eventsOf, runFederation } from '../federation/federation.ts'
import { openNamespace } from '../given/namespaces.ts'
import type { Transfer } from '../given/tls-edge.ts'
import { JOIN, OPTIONS, openJob } from '../site/joined-job.ts'

const SECONDS = 20
const BYTES_PER_SECOND = 60_000
/** Elements of four bytes: more than a connection carries in its life. */
const SIZE = Math.ceil((SECONDS * BYTES_PER_SECOND * 1.1) / 4)

test('a site behind a proxy that cuts every connection after 20 s, with 200 ms and 2 % loss: the same bytes', async (t) => {
  const options = { size: SIZE, fixed: { fractionEvaluate: 0 } }
  const expected = await runFederation({ ...OPTIONS, ...options })
  const namespace = await openNamespace()
  t.after(() => namespace.close())
  const wire = await layBadWire(namespace, {
    milliseconds: 200,
    percentLost: 2,
    bytesPerSecond: BYTES_PER_SECOND,
    congestionControl: 'reno',
  })
  t.after(() => wire.close())
  const { federation, edge, proxy, folder, run } = await openJob(
    t,
    ({ host, port }) =>
      startConnectProxy({
        targets: { [host]: port },
        cutAfterSeconds: SECONDS,
        address: namespace.address,
      }),
    { ...options, siteSeconds: { least: 40, most: 55 } },
  )
  await namespace.allow(proxy!.port)
  const { code, stdout, stderr } = await run(startFedsam(folder, JOIN, { inside: namespace.inside }))
  assert.equal(code, 0, stderr + stdout)
  assert.equal(await federation.model(), expected.model)
  assert.ok(proxy!.planned() > 2, `${proxy!.planned()} cuts`)
  assert.deepEqual(eventsOf(federation.events, 'ClientFailed'), [])

  const models = byPath(edge.transfers, /\/model\.safetensors$/)
  assert.equal(models.length, OPTIONS.rounds)
  for (const [path, transfers] of models) assertResumedDownload(path, transfers)
  const bytes = (await federation.store.size('output/model.safetensors'))!
  const updates = byPath(edge.transfers, /\/updates\/.*\/[0-9a-f]+\.[0-9]+$/, (path) =>
    path.replace(/\.[0-9]+$/, ''),
  )
  assert.equal(updates.length, OPTIONS.rounds)
  for (const [path, transfers] of updates)
    assertResumedUpload(path, transfers, Math.ceil(bytes / PIECE_BYTES))
})

/** The transfers whose path fits, grouped. */
function byPath(transfers: readonly Transfer[], fits: RegExp, nameOf = (path: string) => path) {
  const fitting = transfers.filter(({ path }) => fits.test(path))
  return [...Map.groupBy(fitting, ({ path }) => nameOf(path))]
}

/** Each request begins where the one before broke off: no byte that arrived comes again, but the last one. */
function assertResumedDownload(path: string, transfers: readonly Transfer[]): void {
  const starts = transfers.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]))
  assert.ok(starts.length > 1, `${path}: ${starts}`)
  assert.ok(starts.at(-1)! > 1, `${path}: ${starts}`)
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
    path,
  )
}

/** The pieces of an update came on several connections, and none that arrived was sent again. */
function assertResumedUpload(path: string, transfers: readonly Transfer[], pieces: number): void {
  const arrived = transfers.filter(({ status }) => status === 200)
  assert.equal(arrived.length, pieces, path)
  assert.equal(new Set(arrived.map(({ path }) => path)).size, pieces, path)
  assert.ok(new Set(arrived.map(({ from }) => from)).size > 1, path)
}
