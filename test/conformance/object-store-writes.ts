// Cases of writing: creates under any race only where no object exists, complete or not at all; strings that are not keys.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { bodyOf, freshKey, inChunks, same } from './bodies.ts'
import type { Opened } from './opened-store.ts'

/** Above the size at which stores begin to write in parts. */
const IN_PARTS = 9 * 1024 * 1024 + 3

export function writeCases(opened: Opened): void {
  test('the first write of a key creates it, the next one finds it and changes nothing', async () => {
    const { store } = opened()
    const key = freshKey()
    assert.equal(await store.put(key, bodyOf(1000, 1)), 'Created')
    assert.equal(await store.put(key, bodyOf(1000, 2)), 'Exists')
    assert.equal(await store.write(key, 500, inChunks(bodyOf(500, 3))), 'Exists')
    assert.equal(await store.write(key, IN_PARTS, inChunks(bodyOf(IN_PARTS, 4))), 'Exists')
    assert.ok(same(await store.get(key), bodyOf(1000, 1)))
  })

  test('exactly one of twenty racing writers of a key creates it, with its own bytes', async () => {
    const key = freshKey()
    const clients = await Promise.all([1, 2, 3, 4].map(() => opened().another()))
    const racing = Array.from({ length: 20 }, (_, at) => clients[at % 4]?.put(key, bodyOf(50_000 + at, at)))
    const outcomes = await Promise.all(racing)
    const winner = outcomes.indexOf('Created')
    assert.deepEqual(
      outcomes,
      outcomes.map((_, at) => (at === winner ? 'Created' : 'Exists')),
    )
    assert.ok(same(await opened().store.get(key), bodyOf(50_000 + winner, winner)))
    await Promise.all(clients.map((client) => client.close()))
  })

  test('exactly one of several racing writers in parts creates the key', async () => {
    const { store } = opened()
    const key = freshKey()
    const write = (seed: number) => store.write(key, IN_PARTS, inChunks(bodyOf(IN_PARTS, seed), 1 << 20))
    const outcomes = await Promise.all([write(1), write(2), write(3), store.put(key, bodyOf(10, 4))])
    assert.equal(outcomes.filter((outcome) => outcome === 'Created').length, 1)
    const winner = outcomes.indexOf('Created') + 1
    assert.ok(same(await store.get(key), bodyOf(winner === 4 ? 10 : IN_PARTS, winner)))
  })

  test('a body in chunks of any size arrives unchanged', async () => {
    const { store } = opened()
    for (const [size, chunk] of [
      [1, 1],
      [100_000, 7001],
      [IN_PARTS, 1 << 20],
      [IN_PARTS, 12 << 20],
    ] as const) {
      const key = freshKey()
      assert.equal(await store.write(key, size, inChunks(bodyOf(size), chunk)), 'Created')
      assert.ok(same(await store.get(key), bodyOf(size)), `${size} bytes in chunks of ${chunk}`)
    }
  })

  test('empty bodies are objects', async () => {
    const { store } = opened()
    const [put, written] = [freshKey(), freshKey()]
    assert.equal(await store.put(put, new Uint8Array(0)), 'Created')
    assert.equal(await store.write(written, 0, inChunks(new Uint8Array(0))), 'Created')
    for (const key of [put, written]) {
      assert.equal(await store.size(key), 0)
      assert.equal((await store.get(key))?.byteLength, 0)
      assert.equal(await store.put(key, bodyOf(1)), 'Exists')
    }
  })

  test('a source that is too short, too long or throws leaves no object', async () => {
    const { store } = opened()
    for (const size of [1000, IN_PARTS]) {
      const key = freshKey()
      const body = bodyOf(size)
      await assert.rejects(store.write(key, size, inChunks(body.subarray(0, size - 1))), RangeError)
      await assert.rejects(store.write(key, size - 1, inChunks(body)), RangeError)
      await assert.rejects(store.write(key, size, breaking(body)), /the source broke/)
      assert.equal(await store.get(key), undefined)
      assert.equal(await store.size(key), undefined)
      assert.equal(await store.write(key, size, inChunks(body)), 'Created')
    }
  })

  test('a reader sees no object during a write', async () => {
    const { store, another } = opened()
    const reader = await another()
    for (const size of [200_000, IN_PARTS]) {
      const key = freshKey()
      const body = bodyOf(size)
      let looked = 0
      const watched = async function* () {
        for await (const chunk of inChunks(body, Math.ceil(size / 5))) {
          assert.equal(await reader.get(key), undefined)
          assert.equal(await reader.size(key), undefined)
          looked += 1
          yield chunk
        }
      }
      assert.equal(await store.write(key, size, watched()), 'Created')
      assert.equal(looked, 5)
      assert.ok(same(await reader.get(key), body))
    }
    await reader.close()
  })

  test('polling readers see no object or the complete one', async () => {
    const { store, another } = opened()
    const reader = await another()
    const key = freshKey()
    const body = bodyOf(3_000_000)
    let done = false
    const polling = async () => {
      while (!done) {
        const found = await reader.get(key)
        assert.ok(found === undefined || same(found, body))
      }
    }
    const polls = Promise.all([polling(), polling()])
    await store.put(key, body).finally(() => {
      done = true
    })
    await polls
    assert.ok(same(await reader.get(key), body))
    await reader.close()
  })

  test('changing a buffer after writing or after reading does not change the object', async () => {
    const { store, transfers } = opened()
    for (const granted of [false, true]) {
      const key = freshKey()
      const body = Buffer.from(bodyOf(100)) // the slice of a Buffer shares its memory: what a copy must not do
      const grant = await store.grantWrite(key, { size: 100, sha256: sha256(body) }, 60)
      await (granted ? transfers.write(grant, body) : store.put(key, body))
      body.fill(0)
      const found = await store.get(key)
      found?.fill(0)
      assert.ok(same(await store.get(key), bodyOf(100)))
    }
  })

  test('a deleted object is gone, can be written again, and need not be there', async () => {
    const { store } = opened()
    const key = freshKey()
    await store.delete(key)
    await store.put(key, bodyOf(10, 1))
    await store.delete(key)
    assert.equal(await store.get(key), undefined)
    assert.equal(await store.put(key, bodyOf(10, 2)), 'Created')
    assert.ok(same(await store.get(key), bodyOf(10, 2)))
  })

  test('neighbouring prefixes are independent', async () => {
    const { store } = opened()
    const base = freshKey()
    const keys = [
      `${base}/a/b`,
      `${base}/a/bc`,
      `${base}/a.b`,
      `${base}/a-/b`,
      `${base}/ab/c`,
      `${base}/ab.json`,
    ]
    const written = await Promise.all(keys.map((key, at) => store.put(key, bodyOf(10 + at, at))))
    assert.deepEqual(new Set(written), new Set(['Created']))
    await store.delete(`${base}/a/b`)
    const found = await Promise.all(keys.map((key) => store.size(key)))
    assert.deepEqual(found, [undefined, 11, 12, 13, 14, 15])
    assert.equal(await store.get(`${base}/a`), undefined)
    assert.equal(await store.size(`${base}/a`), undefined)
    assert.equal(await store.get(`${base}/ab.json/x`), undefined)
  })

  test('keys that need care are kept apart', async () => {
    const { store } = opened()
    const base = freshKey()
    const keys = ['.hidden', '-dash', '_', '0', '1e3', 'a.b.c', 'x'.repeat(240), `${'deep/'.repeat(40)}end`]
    for (const key of keys) assert.equal(await store.put(`${base}/${key}`, Buffer.from(key)), 'Created')
    for (const key of keys)
      assert.equal(Buffer.from((await store.get(`${base}/${key}`)) ?? []).toString(), key)
  })

  test('every method refuses a string that is not a key', async () => {
    const { store } = opened()
    const terms = { size: 1, sha256: '0'.repeat(64) }
    const wrong = [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      './a',
      'a/.',
      '..',
      '../a',
      'a/../../b',
      'a..b',
      'a\\b',
      'a b',
    ]
    for (const key of [
      ...wrong,
      'ä',
      'a?b',
      'a%2e',
      'a#b',
      'a\nb',
      '.store~/secret',
      'x'.repeat(241),
      'x/'.repeat(500),
    ]) {
      await assert.rejects(store.get(key), TypeError, key)
      await assert.rejects(store.size(key), TypeError, key)
      await assert.rejects(store.put(key, bodyOf(1)), TypeError, key)
      await assert.rejects(store.write(key, 1, inChunks(bodyOf(1))), TypeError, key)
      await assert.rejects(store.delete(key), TypeError, key)
      await assert.rejects(store.grantRead(key, 60), TypeError, key)
      await assert.rejects(store.grantWrite(key, terms, 60), TypeError, key)
      await assert.rejects(
        store.grantPart(key, crypto.randomUUID(), { number: 1, ...terms }, 60),
        TypeError,
        key,
      )
      await assert.rejects(store.openUpload(key), TypeError, key)
    }
  })

  test('a hundred writes and reads at once', async () => {
    const { store } = opened()
    const keys = Array.from({ length: 100 }, freshKey)
    await Promise.all(keys.map((key, at) => store.put(key, bodyOf(5000, at))))
    const found = await Promise.all(keys.map((key) => store.get(key)))
    assert.ok(found.every((body, at) => same(body, bodyOf(5000, at))))
  })
}

async function* breaking(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body.subarray(0, body.byteLength - 1)
  throw new Error('the source broke')
}
