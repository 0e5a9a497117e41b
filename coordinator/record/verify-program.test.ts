// The verification of a Program run's record: a sound one, one whose exchange is open, and every object of it changed or lost.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { newFolder, runScripted } from '#test/programs/scripted.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { verifyRecord } from './verify.ts'

let folder: string
let objects: ReadonlyMap<string, Uint8Array>

before(async () => {
  folder = await newFolder()
  const store = createMemoryStore()
  await runScripted({ store, folder })
  const keys = (await store.list(''))!
  objects = new Map(await Promise.all(keys.map(async (key) => [key, (await store.get(key))!] as const)))
})
after(() => rm(folder, { recursive: true, force: true }))

async function storeWith(entries: Iterable<readonly [string, Uint8Array]>): Promise<ObjectStore> {
  const store = createMemoryStore()
  for (const [key, bytes] of entries) await store.put(key, bytes)
  return store
}

test('a finished record is sound', async () => {
  const found = await verifyRecord(await storeWith(objects))
  assert.deepEqual(found.problems, [])
  assert.equal(found.exchanges, 3)
  // Three exchanges with a content and three replies each; the model and the file of the result.
  assert.equal(found.payloads, 14)
  assert.equal(found.complete, true)
  assert.equal(found.head, found.manifest?.head)
})

test('a record with an open exchange is sound, and not complete', async () => {
  const open = [...objects].filter(
    ([key]) => !/^(output|program)\/|^exchanges\/3\/(decision|replies)/.test(key),
  )
  const found = await verifyRecord(await storeWith(open))
  assert.deepEqual(found.problems, [])
  assert.deepEqual([found.exchanges, found.complete, found.unfinished], [2, false, false])
})

test('every object, with one byte changed, is found', async () => {
  for (const [key, bytes] of objects) {
    // A claim names a coordinator's incarnation, which nothing else names.
    if (key.startsWith('coordinators/')) continue
    const changed = Uint8Array.from(bytes)
    const at = Math.floor(changed.length / 2)
    changed[at] = changed[at]! ^ 1
    const found = await verifyRecord(await storeWith(new Map(objects).set(key, changed)))
    assert.notDeepEqual(found.problems, [], key)
  }
})

test('every object that is lost is found, or named as absent', async () => {
  for (const key of objects.keys()) {
    // Without its manifest an output is not complete; without run.json there is no Program run to speak of.
    if (key === 'run.json') continue
    const found = await verifyRecord(await storeWith([...objects].filter(([other]) => other !== key)))
    const isNoticed = found.problems.length > 0 || found.absent.includes(key) || !found.complete
    assert.ok(isNoticed, key)
  }
})
