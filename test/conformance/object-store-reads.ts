// Cases of reading: existing objects, absent objects, and ranges.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyOf, freshKey, same } from './bodies.ts'
import type { Opened } from './opened-store.ts'

export function readCases(opened: Opened): void {
  test('another client reads a written object and its size', async () => {
    const { store, another } = opened()
    const key = freshKey()
    await store.put(key, bodyOf(12_345))
    const reader = await another()
    assert.equal(await reader.size(key), 12_345)
    assert.ok(same(await reader.get(key), bodyOf(12_345)))
    await reader.close()
  })

  test('an absent object is undefined, with a range too', async () => {
    const { store } = opened()
    const key = freshKey()
    assert.equal(await store.get(key), undefined)
    assert.equal(await store.size(key), undefined)
    assert.equal(await store.get(key, { offset: 0, length: 10 }), undefined)
    assert.equal(await store.get(key, { offset: 0, length: 0 }), undefined)
  })

  test('a list of the keys below a folder, and of no other', async () => {
    const { store, another } = opened()
    const folder = freshKey()
    const keys = ['a', 'b/c', 'b/d/e', 'z'].map((name) => `${folder}/${name}`)
    for (const key of [...keys, `${folder}x/a`]) await store.put(key, bodyOf(1))
    const reader = await another()
    assert.deepEqual([...(await reader.list(`${folder}/`))!].sort(), keys)
    assert.deepEqual(await reader.list(`${folder}/b/d/`), [`${folder}/b/d/e`])
    assert.deepEqual(await reader.list(`${folder}/none/`), [])
    await reader.close()
  })

  test('a range within the object', async () => {
    const { store } = opened()
    const key = freshKey()
    const body = bodyOf(1000)
    await store.put(key, body)
    for (const [offset, length] of [
      [0, 1],
      [0, 1000],
      [1, 998],
      [999, 1],
      [500, 0],
      [1000, 0],
    ] as const) {
      const found = await store.get(key, { offset, length })
      assert.ok(same(found, body.subarray(offset, offset + length)), `${length} from ${offset}`)
    }
  })

  test('the store may use the given memory where its length fits', async () => {
    const { store } = opened()
    const key = freshKey()
    const body = bodyOf(5000)
    await store.put(key, body)
    for (const length of [1000, 999, 1001]) {
      const found = await store.get(key, { offset: 70, length: 1000 }, new Uint8Array(length).fill(7))
      assert.ok(same(found, body.subarray(70, 1070)), `${length}`)
    }
  })

  test('a range that is not all within the object is a RangeError', async () => {
    const { store } = opened()
    const key = freshKey()
    await store.put(key, bodyOf(1000))
    for (const [offset, length] of [
      [0, 1001],
      [999, 2],
      [1000, 1],
      [5000, 10],
      [5000, 0],
      [-1, 2],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      await assert.rejects(store.get(key, { offset, length }), RangeError, `${length} from ${offset}`)
    }
  })

  test('the bytes begin at the start of their buffer, so that a typed array can view them', async () => {
    const { store } = opened()
    const key = freshKey()
    await store.put(key, bodyOf(4096))
    for (const range of [undefined, { offset: 3, length: 1024 }]) {
      const found = await store.get(key, range)
      assert.equal(found?.byteOffset, 0)
      assert.equal(new Float32Array(found?.buffer ?? new ArrayBuffer(0), 0, 256).length, 256)
    }
  })
}
