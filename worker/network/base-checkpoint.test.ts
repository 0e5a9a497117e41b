// The base checkpoint on a client's disk: it is verified, resumed, fetched once, and waited for.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { baseKey, RUN_KEY } from '#protocol/keys.ts'
import type { Granted } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { until } from '#test/until.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { fetchBase } from './base-checkpoint.ts'
import type { AskGrants } from './grants.ts'

const DIGEST = 'd'.repeat(64)
const FILES = {
  'config.json': Buffer.from('{}'),
  'model.safetensors': Buffer.alloc(300_000, 'weights'),
}

let cache: string
let store: ReturnType<typeof createMemoryStore>
let reports: string[]
let read: string[]
let refusals: number
let stop: AbortController

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'fedsam-base-'))
  store = createMemoryStore()
  reports = []
  read = []
  refusals = 0
  stop = new AbortController()
})
afterEach(() => rm(cache, { recursive: true, force: true }))

/** Writes run.json with the names of the files. */
async function publish(files: Readonly<Record<string, Buffer>> = FILES, names = Object.keys(files)) {
  const listed = names.map((name) => ({ name, size: files[name]!.length, sha256: sha256(files[name]!) }))
  const base = { uri: 'hf://a/b@c', digest: DIGEST, files: listed }
  const run = { schema: 'fedsam.run/1', name: 'job', uid: 'u', spec: {}, seed: 1, base }
  await store.put(RUN_KEY, encodeJson(run))
}
async function upload(files: Readonly<Record<string, Buffer>> = FILES): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) await store.put(baseKey(DIGEST, name), bytes)
}

const ask: AskGrants = async (wants) =>
  Promise.all(
    wants.map(async (want): Promise<Granted> => {
      if (want.kind !== 'Read') return { kind: 'Refused', reason: 'only reading' }
      if (refusals-- > 0) return { kind: 'Refused', reason: 'the run is not open yet' }
      read.push(want.key)
      return { kind: 'Grant', grant: await store.grantRead(want.key, 60) }
    }),
  )

const fetch = (): Promise<void> =>
  fetchBase({
    cache,
    ask,
    transfers: createGrantedTransfers({ memory: store }),
    clock: systemClock(1000),
    signal: stop.signal,
    report: (message) => reports.push(message),
  })

const untilReported = (words: string): Promise<void> =>
  until(`a message says: ${words}`, () => reports.some((message) => message.includes(words)), {
    instead: () => reports,
  })

const current = (name: string): string => join(cache, 'base', 'current', name)
async function assertHasAll(): Promise<void> {
  for (const [name, bytes] of Object.entries(FILES)) assert.deepEqual(await readFile(current(name)), bytes)
}

describe('the base checkpoint', () => {
  test('is fetched under its digest, and `current` names it', async () => {
    await publish()
    await upload()
    await fetch()
    await assertHasAll()
    assert.equal(await readlink(join(cache, 'base', 'current')), DIGEST)
    assert.match(reports.at(-1)!, /^fetching the base checkpoint: 0\.3 of 0\.3 MB$/)
  })

  test('is not fetched again by a second start', async () => {
    await publish()
    await upload()
    await fetch()
    read = []
    await fetch()
    assert.deepEqual(read, [RUN_KEY])
    await assertHasAll()
  })

  test('whose file was damaged on this disk is fetched again, that file only', async () => {
    await publish()
    await upload()
    await fetch()
    await writeFile(current('config.json'), '[]')
    read = []
    await fetch()
    assert.deepEqual(read, [RUN_KEY, baseKey(DIGEST, 'config.json')])
    await assertHasAll()
  })

  test('resumes where a download was interrupted', async () => {
    await publish()
    await upload()
    const folder = join(cache, 'base', DIGEST)
    await mkdir(folder, { recursive: true })
    const whole = FILES['model.safetensors']
    // The partial file has other bytes than the object: a resumed download is then damaged, and is fetched completely.
    await writeFile(join(folder, 'model.safetensors.part.partial'), Buffer.alloc(1000, 'x'))
    await fetch()
    await assertHasAll()
    assert.equal(read.filter((key) => key.endsWith('model.safetensors')).length, 2)
    await rm(join(folder, 'model.safetensors'))
    await writeFile(join(folder, 'model.safetensors.part.partial'), whole.subarray(0, 1000))
    read = []
    await fetch()
    await assertHasAll()
    assert.equal(read.filter((key) => key.endsWith('model.safetensors')).length, 1)
  })

  test('is waited for, and the reason is reported', async () => {
    refusals = 2
    await publish()
    await upload({ 'config.json': FILES['config.json'] })
    const fetching = fetch()
    await untilReported('model.safetensors')
    assert.ok(reports.includes('fetching the base checkpoint: the run is not open yet'))
    await upload()
    await fetching
    await assertHasAll()
  })

  test('with other bytes than run.json names is never used', async () => {
    await publish()
    await upload({ ...FILES, 'config.json': Buffer.from('[]') })
    const fetching = fetch()
    await untilReported('does not have the bytes')
    stop.abort()
    await assert.rejects(fetching, { code: 'Interrupted' })
    await assert.rejects(readFile(current('config.json')), { code: 'ENOENT' })
  })

  test('of a run without one is an error, and so is a file name with a path in it', async () => {
    const run = { schema: 'fedsam.run/1', name: 'job', uid: 'u', spec: {}, seed: 1, base: null }
    await store.put(RUN_KEY, encodeJson(run))
    await assert.rejects(fetch(), { code: 'BadCheckpoint' })
    await store.delete(RUN_KEY)
    await publish({ '../x': Buffer.from('x') })
    const fetching = fetch()
    await untilReported('is not the plain name of a file')
    stop.abort()
    await assert.rejects(fetching, { code: 'Interrupted' })
  })
})
