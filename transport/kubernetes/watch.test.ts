// What a watch asks of a server, and how long it pauses in between, on a clock that records its pauses. A real API server with
// faults between it and the watch: test/cluster/runtime-watches.test.ts.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { openKubernetes } from './api.ts'
import { ApiError } from './calls.ts'
import { type Versioned, watch } from './watch.ts'

interface Pod extends Versioned {
  readonly metadata: { readonly name?: string; readonly resourceVersion: string }
}

/** The answer to one watch: a status, and lines of JSON. */
interface Answer {
  readonly status?: number
  readonly lines?: readonly object[]
  /** Seconds that pass on the clock before the answer. */
  readonly seconds?: number
}

interface Watched {
  /** resourceVersion of each watch that was asked for. */
  readonly versions: string[]
  readonly seconds: number[]
  readonly pauses: number[]
  /** What the handler received. */
  readonly received: string[]
  readonly errors: unknown[]
  reads: number
}

const pod = (name: string, resourceVersion: string) => ({ metadata: { name, resourceVersion } })
const added = (name: string, version: string) => ({ type: 'ADDED', object: pod(name, version) })
const failed = (code: number, reason: string) => ({
  type: 'ERROR',
  object: { code, reason, message: reason },
})
const GONE = failed(410, 'Expired')

/** Watches a server that gives these answers in turn, then the last one again. Stops after `pauses` pauses. */
async function watched(t: TestContext, answers: readonly Answer[], pauses: number): Promise<Watched> {
  const stop = new AbortController()
  const seen: Watched = { versions: [], seconds: [], pauses: [], received: [], errors: [], reads: 0 }
  let now = 0
  const server = createServer(({ url = '' }, response) => {
    const { status = 200, lines = [], seconds = 0 } = answers[seen.versions.length] ?? answers.at(-1)!
    const query = new URLSearchParams(url.split('?')[1])
    assert.equal(query.get('labelSelector'), 'app=fedsam')
    seen.versions.push(query.get('resourceVersion') ?? '')
    seen.seconds.push(Number(query.get('timeoutSeconds')))
    now += seconds
    response.writeHead(status).end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = openKubernetes({ server: `http://127.0.0.1:${port}`, secure: async () => ({}) }, { env: {} })
  t.after(() => {
    client.close()
    server.close()
    server.closeAllConnections()
  })
  const note = (what: string) => (object: Pod) =>
    void seen.received.push(`${what} ${object.metadata.name} ${object.metadata.resourceVersion}`)
  await watch<Pod>(client, {
    path: '/api/v1/pods',
    selector: 'labelSelector=app%3Dfedsam',
    handler: {
      async read() {
        seen.reads += 1
        return `${seen.reads}00`
      },
      changed: note('changed'),
      deleted: note('deleted'),
      reached: (version) => void seen.received.push(`reached ${version}`),
    },
    onError: (error) => void seen.errors.push(error),
    signal: stop.signal,
    random: () => 0.5,
    clock: {
      now: () => now,
      async sleep(pause) {
        seen.pauses.push(pause)
        if (seen.pauses.length === pauses) stop.abort()
      },
    },
  })
  return seen
}

/** Jitter of one half takes a quarter of 0.8, 1.6, 3.2, … 30 s. */
const GROWING = [0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 22.5, 22.5, 22.5]

function assertPauses(actual: readonly number[], expected: readonly number[]): void {
  assert.deepEqual(
    actual.map((pause) => Number(pause.toFixed(6))),
    expected,
  )
}

test('objects are delivered in order, and the next watch resumes at the last version, bookmarks included', async (t) => {
  const first = [added('a', '101'), { type: 'MODIFIED', object: pod('a', '102') }]
  const second = [{ type: 'BOOKMARK', object: { metadata: { resourceVersion: '150' } } }]
  const third = [{ type: 'DELETED', object: pod('a', '160') }]
  const seen = await watched(t, [{ lines: first }, { lines: second }, { lines: third }, {}], 4)
  assert.deepEqual(seen.versions, ['100', '102', '150', '160'])
  const received = ['changed a 101', 'reached 101', 'changed a 102', 'reached 102', 'reached 150']
  assert.deepEqual(seen.received, [...received, 'deleted a 160', 'reached 160'])
  assert.deepEqual(seen.errors, [])
  assert.equal(seen.reads, 1)
  assert.deepEqual(seen.seconds, [450, 450, 450, 450])
})

test('a server that ends every watch at once is asked after longer and longer pauses, and read once', async (t) => {
  const { reads, versions, pauses } = await watched(t, [{}], 9)
  assert.deepEqual([reads, versions.length], [1, 9])
  assertPauses(pauses, GROWING)
})

for (const [where, gone] of [
  ['answers 410', { status: 410, lines: [] }],
  ['ends the watch with an error 410', { lines: [GONE] }],
] as const) {
  test(`a server that ${where} is read again, after longer and longer pauses`, async (t) => {
    const { reads, versions, pauses } = await watched(t, [gone], 9)
    assert.equal(reads, 9)
    assert.deepEqual(versions.slice(0, 3), ['100', '200', '300'])
    assertPauses(pauses, GROWING)
  })
}

for (const [where, answer] of [
  ['refuses a watch', { status: 500 }],
  ['is busy', { status: 429 }],
  ['forbids the watch', { status: 403 }],
  ['ends the watch with an error', { lines: [failed(500, 'InternalError')] }],
] as const) {
  test(`a server that ${where} is asked again at the same version, and not read`, async (t) => {
    const seen = await watched(t, [{ lines: [added('a', '101')] }, answer], 5)
    assert.equal(seen.reads, 1)
    assert.deepEqual(seen.versions, ['100', '101', '101', '101', '101'])
    assert.equal(seen.errors.length, 4)
    assert.ok(seen.errors.every((error) => error instanceof ApiError))
  })
}

test('a watch that lasted begins a new row of failures, and the next follows at once', async (t) => {
  const { pauses } = await watched(t, [{}, {}, { seconds: 400 }, {}], 5)
  assertPauses(pauses, [0.6, 1.2, 0, 0.6, 1.2])
})

test('what onError throws ends the watch', async (t) => {
  const signal = new AbortController().signal
  const deleted = (): never => {
    throw new Error('it was deleted')
  }
  const server = createServer((_, response) => {
    response.end(`${JSON.stringify({ type: 'DELETED', object: pod('a', '7') })}\n`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = openKubernetes({ server: `http://127.0.0.1:${port}`, secure: async () => ({}) }, { env: {} })
  t.after(() => {
    client.close()
    server.close()
    server.closeAllConnections()
  })
  const ended = watch<Pod>(client, {
    path: '/api/v1/pods',
    handler: { read: async () => '1', changed() {}, deleted, reached() {} },
    onError(error) {
      throw error
    },
    signal,
  })
  await assert.rejects(ended, { message: 'it was deleted' })
})
