// Cases of multipart uploads: the owner opens and completes, a granted worker sends parts, either may be interrupted.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { GrantRefused, UploadGone, type UploadPart } from '#transport/ports.ts'
import { bodyOf, freshKey, same } from './bodies.ts'
import type { Opened } from './opened-store.ts'

/** The smallest part that every store takes, the last one excepted. */
const PART = 5 * 1024 * 1024

export function uploadCases(opened: Opened): void {
  const send = async (key: string, upload: string, number: number, body: Uint8Array) => {
    const { store, transfers } = opened()
    const terms = { number, size: body.byteLength, sha256: sha256(body) }
    return transfers.write(await store.grantPart(key, upload, terms, 60), body)
  }
  /** A small object in one part, not completed yet. */
  const openWith = async (key: string, body: Uint8Array): Promise<[string, readonly UploadPart[]]> => {
    const { store } = opened()
    const upload = await store.openUpload(key)
    await send(key, upload, 1, body)
    return [upload, await store.uploadedParts(key, upload)]
  }
  wholeUploads(opened, send)
  competition(opened, openWith)
  refusals(opened, openWith)
}

type Send = (key: string, upload: string, number: number, body: Uint8Array) => Promise<string>
type OpenWith = (key: string, body: Uint8Array) => Promise<[string, readonly UploadPart[]]>

function wholeUploads(opened: Opened, send: Send): void {
  test('parts in any order become one object, which exists only when it is complete', async () => {
    const { store } = opened()
    const key = freshKey()
    const body = bodyOf(2 * PART + 100)
    const upload = await store.openUpload(key)
    assert.deepEqual(await store.uploadedParts(key, upload), [])
    await send(key, upload, 3, body.subarray(2 * PART))
    await send(key, upload, 1, body.subarray(0, PART))
    await send(key, upload, 2, body.subarray(PART, 2 * PART))
    const parts = await store.uploadedParts(key, upload)
    assert.deepEqual(
      parts.map(({ number, size }) => [number, size]),
      [
        [1, PART],
        [2, PART],
        [3, 100],
      ],
    )
    assert.equal(await store.get(key), undefined)
    assert.equal(await store.completeUpload(key, upload, parts), 'Created')
    assert.ok(same(await store.get(key), body))
  })

  test('another owner finds the open uploads of a prefix, without those of other keys and without ended ones', async () => {
    const { store, another } = opened()
    const folder = `conformance/${crypto.randomUUID()}`
    const keys = ['a/1', 'a/2', 'b/1', 'a/3', 'a/4'].map((name) => `${folder}/${name}`)
    const uploads: string[] = []
    for (const key of keys) uploads.push(await store.openUpload(key))
    await send(keys[3]!, uploads[3]!, 1, bodyOf(10))
    await store.completeUpload(keys[3]!, uploads[3]!, await store.uploadedParts(keys[3]!, uploads[3]!))
    await store.abortUpload(keys[4]!, uploads[4]!)
    const owner = await another()
    const found = [...(await owner.openUploads(`${folder}/a/`))].sort((one, other) =>
      one.key < other.key ? -1 : 1,
    )
    assert.deepEqual(found, [
      { key: keys[0], upload: uploads[0] },
      { key: keys[1], upload: uploads[1] },
    ])
    assert.deepEqual(await owner.openUploads(`${folder}/c`), [])
    await owner.close()
  })

  test('the parts that arrived have the digests of their bytes', async () => {
    const { store } = opened()
    const key = freshKey()
    const upload = await store.openUpload(key)
    await send(key, upload, 1, bodyOf(PART, 1))
    await send(key, upload, 2, bodyOf(100, 2))
    assert.deepEqual(
      (await store.uploadedParts(key, upload)).map((part) => part.sha256),
      [sha256(bodyOf(PART, 1)), sha256(bodyOf(100, 2))],
    )
    await store.abortUpload(key, upload)
  })

  test('parts that the completion does not name are dropped', async () => {
    const { store } = opened()
    const key = freshKey()
    const upload = await store.openUpload(key)
    await send(key, upload, 1, bodyOf(PART, 1))
    await send(key, upload, 2, bodyOf(100, 2))
    const [first] = await store.uploadedParts(key, upload)
    assert.equal(await store.completeUpload(key, upload, [first!]), 'Created')
    assert.ok(same(await store.get(key), bodyOf(PART, 1)))
  })

  test('another owner resumes from the parts that have arrived', async () => {
    const { store, another } = opened()
    const key = freshKey()
    const body = bodyOf(PART + 100)
    const upload = await store.openUpload(key)
    await send(key, upload, 1, body.subarray(0, PART))
    const owner = await another()
    const held = await owner.uploadedParts(key, upload)
    assert.deepEqual(
      held.map(({ number }) => number),
      [1],
    )
    await send(key, upload, 2, body.subarray(PART))
    assert.equal(await owner.completeUpload(key, upload, await owner.uploadedParts(key, upload)), 'Created')
    assert.ok(same(await store.get(key), body))
    await owner.close()
  })

  test('a part sent again replaces the earlier one', async () => {
    const { store } = opened()
    const key = freshKey()
    const upload = await store.openUpload(key)
    for (const seed of [1, 2, 2]) await send(key, upload, 1, bodyOf(1000 + seed, seed))
    const parts = await store.uploadedParts(key, upload)
    assert.deepEqual(
      parts.map(({ number, size }) => [number, size]),
      [[1, 1002]],
    )
    assert.equal(await store.completeUpload(key, upload, parts), 'Created')
    assert.ok(same(await store.get(key), bodyOf(1002, 2)))
  })
}

function competition(opened: Opened, openWith: OpenWith): void {
  test('completing again changes nothing', async () => {
    const { store } = opened()
    const key = freshKey()
    const [upload, parts] = await openWith(key, bodyOf(1000))
    assert.equal(await store.completeUpload(key, upload, parts), 'Created')
    const again = await store.completeUpload(key, upload, parts)
    assert.ok(again === 'Created' || again === 'Exists') // some services know that it was this very upload
    assert.ok(same(await store.get(key), bodyOf(1000)))
  })

  test('completing does not overwrite', async () => {
    const { store } = opened()
    const key = freshKey()
    const [upload, parts] = await openWith(key, bodyOf(1000, 1))
    await store.put(key, bodyOf(10, 2))
    assert.equal(await store.completeUpload(key, upload, parts), 'Exists')
    assert.ok(same(await store.get(key), bodyOf(10, 2)))
  })

  test('exactly one of several uploads of a key is completed', async () => {
    const { store } = opened()
    const key = freshKey()
    const open = await Promise.all([1, 2, 3, 4].map((seed) => openWith(key, bodyOf(1000, seed))))
    const outcomes = await Promise.all(
      open.map(([upload, parts]) => store.completeUpload(key, upload, parts)),
    )
    assert.equal(outcomes.filter((outcome) => outcome === 'Created').length, 1)
    assert.ok(same(await store.get(key), bodyOf(1000, outcomes.indexOf('Created') + 1)))
  })
}

function refusals(opened: Opened, openWith: OpenWith): void {
  test('other and longer parts than granted are refused', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const upload = await store.openUpload(key)
    const body = bodyOf(1000)
    const grant = await store.grantPart(key, upload, { number: 1, size: 1000, sha256: sha256(body) }, 60)
    for (const wrong of [bodyOf(1000, 2), bodyOf(1001), bodyOf(999)]) {
      await assert.rejects(transfers.write(grant, wrong), GrantRefused)
    }
    assert.deepEqual(await store.uploadedParts(key, upload), [])
    await store.abortUpload(key, upload)
  })

  test('an aborted upload takes no part, lists none, and does not complete', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const [upload, parts] = await openWith(key, bodyOf(1000))
    const terms = { number: 2, size: 10, sha256: sha256(bodyOf(10)) }
    const grant = await store.grantPart(key, upload, terms, 60)
    await store.abortUpload(key, upload)
    await store.abortUpload(key, upload)
    await assert.rejects(transfers.write(grant, bodyOf(10)), GrantRefused)
    await assert.rejects(store.uploadedParts(key, upload), UploadGone)
    await assert.rejects(store.completeUpload(key, upload, parts), UploadGone)
    assert.equal(await store.get(key), undefined)
  })

  test('an upload does not complete with another part than the named one', async () => {
    const { store } = opened()
    const key = freshKey()
    const [upload, parts] = await openWith(key, bodyOf(1000, 1))
    const [, others] = await openWith(key, bodyOf(1000, 2))
    await assert.rejects(store.completeUpload(key, upload, others), { code: 'RecordDamaged' })
    assert.equal(await store.get(key), undefined)
    assert.equal(await store.completeUpload(key, upload, parts), 'Created')
  })

  test('an upload belongs to its key', async () => {
    const { store } = opened()
    const [key, other] = [freshKey(), freshKey()]
    const [upload, parts] = await openWith(key, bodyOf(1000))
    await assert.rejects(store.completeUpload(other, upload, parts), UploadGone)
    assert.equal(await store.get(other), undefined)
  })
}
