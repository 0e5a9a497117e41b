// A worker starts only from the model that the task names.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { digestPayload } from '#protocol/digest.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import { createMemoryStore, type MemoryStore } from '#test/given/memory-store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type AskGrants, NotWanted } from './grants.ts'
import { deleteOldModels, fetchFile, fetchModel } from './model-cache.ts'

const BODY = Uint8Array.from({ length: 1000 }, (_, i) => i % 256)
const KEY = 'rounds/1/1/model.safetensors'
const BASE = { key: KEY, ...digestPayload(BODY) }

let folder: string
let memory: MemoryStore
let asked: number
let options: Parameters<typeof fetchModel>[1]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-models-'))
  memory = createMemoryStore()
  asked = 0
  const ask: AskGrants = async (wants) => {
    asked += 1
    return Promise.all(
      wants.map(async ({ key }) => ({ kind: 'Grant' as const, grant: await memory.grantRead(key, 60) })),
    )
  }
  options = { folder, buffer: createReusedBuffer(), ask, transfers: createGrantedTransfers({ memory }) }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a model is fetched once, and then found in the cache', async () => {
  await memory.put(KEY, BODY)
  const file = await fetchModel(BASE, options)
  assert.deepEqual(new Uint8Array(await readFile(file)), BODY)
  assert.equal(await fetchModel(BASE, options), file)
  assert.equal(asked, 1)
})

test('a cached file that changed is fetched again', async () => {
  await memory.put(KEY, BODY)
  const file = await fetchModel(BASE, options)
  await writeFile(
    file,
    BODY.map((byte) => byte ^ 1),
  )
  await fetchModel(BASE, options)
  assert.deepEqual(new Uint8Array(await readFile(file)), BODY)
})

const IMPOSTORS: readonly [what: string, leave: (path: string) => unknown][] = [
  ['a FIFO', (path) => execFileSync('mkfifo', [path])],
  ['a link to a file', (path) => symlink(join(folder, 'precious'), path)],
  ['a link to a device', (path) => symlink('/dev/zero', path)],
  ['a folder', (path) => mkdir(path)],
]

for (const [what, leave] of IMPOSTORS) {
  test(`${what} that a trainer puts in the place of the model or its drafts is replaced, and never written to`, async () => {
    await memory.put(KEY, BODY)
    await writeFile(join(folder, 'precious'), 'mine')
    for (const suffix of ['', '.part', '.part.partial']) {
      const file = join(folder, `${BASE.sha256}.safetensors`)
      await rm(file, { recursive: true, force: true })
      await leave(`${file}${suffix}`)
      assert.equal(await fetchModel(BASE, options), file)
      assert.deepEqual(new Uint8Array(await readFile(file)), BODY)
    }
    assert.equal(await readFile(join(folder, 'precious'), 'utf8'), 'mine')
    assert.ok((await lstat(join(folder, `${BASE.sha256}.safetensors`))).isFile())
  })
}

test('other bytes in the store, or a missing object, are a damaged record', async () => {
  await assert.rejects(fetchModel(BASE, options), { code: 'RecordDamaged', message: /cannot be read/ })
  await memory.put(
    KEY,
    BODY.map((byte) => byte ^ 1),
  )
  await assert.rejects(fetchModel(BASE, options), {
    code: 'RecordDamaged',
    message: /does not have the bytes/,
  })
  assert.deepEqual(await readdir(folder), [], 'nothing of it is kept')
})

test('a refusal by the coordinator means NotWanted', async () => {
  const ask: AskGrants = async () => [{ kind: 'Refused', reason: 'the attempt is closed' }]
  await assert.rejects(fetchModel(BASE, { ...options, ask }), NotWanted)
})

for (const ending of ['safetensors', 'records', 'state'] as const)
  test(`the cache keeps two files that end in ${ending}, and no download that did not come to its end`, async () => {
    await writeFile(join(folder, 'precious'), 'mine')
    let file = ''
    for (const round of [1, 2, 3, 4]) {
      const body = BODY.map((byte) => byte ^ round)
      const key = `exchanges/${round}/contents/x`
      await memory.put(key, body)
      await writeFile(join(folder, `${String(round).repeat(64)}.${ending}.part.partial`), 'its beginning')
      file = await fetchFile({ key, ...digestPayload(body) }, ending, options)
      await deleteOldModels(folder, file)
    }
    const left = await readdir(folder)
    assert.equal(left.length, 3, left.join(' '))
    for (const name of [basename(file), 'precious']) assert.ok(left.includes(name), name)
  })
