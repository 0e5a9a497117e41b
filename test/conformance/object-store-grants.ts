// Cases of grants: a worker without credentials may do the granted transfer, and no other.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sha256 } from '#protocol/digest.ts'
import { type Grant, GrantRefused } from '#transport/ports.ts'
import { bodyOf, freshKey, same } from './bodies.ts'
import type { Opened } from './opened-store.ts'

const termsOf = (body: Uint8Array) => ({ size: body.byteLength, sha256: sha256(body) })

export function grantCases(opened: Opened): void {
  writeGrants(opened)
  readGrants(opened)
  downloads(opened)
}

function writeGrants(opened: Opened): void {
  test('a granted body is written once, and a second write finds it', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const body = bodyOf(10_000)
    const grant = await store.grantWrite(key, termsOf(body), 60)
    assert.equal(await transfers.write(grant, body), 'Created')
    assert.equal(await transfers.write(grant, body), 'Exists')
    assert.ok(same(await store.get(key), body))
  })

  test('an empty body can be granted', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const body = new Uint8Array(0)
    assert.equal(await transfers.write(await store.grantWrite(key, termsOf(body), 60), body), 'Created')
    assert.equal(await store.size(key), 0)
  })

  test('a granted URL does not overwrite an object', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const body = bodyOf(100, 2)
    const grant = await store.grantWrite(key, termsOf(body), 60)
    await store.put(key, bodyOf(100, 1))
    assert.equal(await transfers.write(grant, body), 'Exists')
    // A hostile client leaves out headers: all of them, or the one that forbids a second write and no other.
    const { 'if-none-match': _, ...others } = grant.headers
    for (const headers of [{}, others]) {
      const bare = await transfers.write({ ...grant, headers }, body).catch((error) => error)
      assert.notEqual(bare, 'Created')
      assert.ok(same(await store.get(key), bodyOf(100, 1)))
    }
  })

  test('other, longer and shorter bodies than granted are refused, and no object exists', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const body = bodyOf(1000)
    const grant = await store.grantWrite(key, termsOf(body), 60)
    const longer = new Uint8Array([...body, 1])
    for (const wrong of [bodyOf(1000, 2), longer, body.subarray(0, 999), new Uint8Array(0)]) {
      await assert.rejects(transfers.write(grant, wrong), GrantRefused)
      const checksum = Buffer.from(sha256(wrong), 'hex').toString('base64')
      const forged = { ...grant, headers: { ...grant.headers, 'x-amz-checksum-sha256': checksum } }
      await assert.rejects(transfers.write(forged, wrong), GrantRefused)
    }
    assert.equal(await store.get(key), undefined)
    assert.equal(await transfers.write(grant, body), 'Created')
  })

  test('the signature for one key is refused for another', async () => {
    const { store, transfers } = opened()
    const [key, other] = [freshKey(), freshKey()]
    const body = bodyOf(100)
    await store.put(`${key}0`, body)
    for (const name of [other, `${key}0`]) {
      const written = moved(await store.grantWrite(key, termsOf(body), 60), key, name)
      await assert.rejects(transfers.write(written, body), GrantRefused)
      await assert.rejects(transfers.read(moved(await store.grantRead(key, 60), key, name)), GrantRefused)
    }
    assert.equal(await store.get(other), undefined)
  })

  test('a grant to read does not write, and the other way round', async () => {
    const { store, transfers } = opened()
    const [there, absent] = [freshKey(), freshKey()]
    const body = bodyOf(100)
    await store.put(there, body)
    const toRead = await store.grantRead(absent, 60)
    const toWrite = await store.grantWrite(there, termsOf(body), 60)
    await assert.rejects(transfers.write(toRead, body), GrantRefused)
    await assert.rejects(transfers.write({ ...toRead, method: 'PUT' }, body), GrantRefused)
    await assert.rejects(transfers.read(toWrite), GrantRefused)
    await assert.rejects(transfers.read({ ...toWrite, method: 'GET' }), GrantRefused)
    assert.equal(await store.get(absent), undefined)
  })

  test('grants expire', async () => {
    const { store, transfers } = opened()
    const [key, absent] = [freshKey(), freshKey()]
    const body = bodyOf(100)
    await store.put(key, body)
    const [toRead, toWrite] = await Promise.all([
      store.grantRead(key, 1),
      store.grantWrite(absent, termsOf(body), 1),
    ])
    await sleep(2200)
    await assert.rejects(transfers.read(toRead), GrantRefused)
    await assert.rejects(transfers.write(toWrite, body), GrantRefused)
    assert.equal(await store.get(absent), undefined)
  })

  test('exactly one of twenty granted writers of a key creates it', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const body = bodyOf(20_000, at)
        return transfers.write(await store.grantWrite(key, termsOf(body), 60), body)
      }),
    )
    assert.equal(outcomes.filter((outcome) => outcome === 'Created').length, 1)
    assert.ok(same(await store.get(key), bodyOf(20_000, outcomes.indexOf('Created'))))
  })

  test('grants survive JSON', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const body = bodyOf(100)
    const sent: Grant = JSON.parse(JSON.stringify(await store.grantWrite(key, termsOf(body), 60)))
    assert.equal(await transfers.write(sent, body), 'Created')
  })
}

/** The same grant for another key. */
function moved(grant: Grant, from: string, to: string): Grant {
  assert.ok(grant.url.includes(from))
  return { ...grant, url: grant.url.replace(from, to) }
}

function readGrants(opened: Opened): void {
  test('a granted object is read, whole and by ranges', async () => {
    const { store, transfers } = opened()
    const key = freshKey()
    const body = bodyOf(1_000_000)
    await store.put(key, body)
    const grant = await store.grantRead(key, 60)
    assert.ok(same(await transfers.read(grant), body))
    const range = { offset: 500, length: 1000 }
    assert.ok(same(await transfers.read(grant, range), body.subarray(500, 1500)))
    assert.equal((await transfers.read(grant, { offset: 7, length: 0 })).byteLength, 0)
    await assert.rejects(transfers.read(grant, { offset: 999_999, length: 2 }), RangeError)
    await assert.rejects(transfers.read(grant, { offset: 2_000_000, length: 1 }), RangeError)
  })

  test('a grant to read an absent object is refused when it is used', async () => {
    const { store, transfers } = opened()
    await assert.rejects(transfers.read(await store.grantRead(freshKey(), 60)), GrantRefused)
  })
}

function downloads(opened: Opened): void {
  const prepare = async (body: Uint8Array) => {
    const { store, scratch } = opened()
    const key = freshKey()
    await store.put(key, body)
    return { grant: await store.grantRead(key, 60), file: join(scratch, crypto.randomUUID()) }
  }

  test('a download is the object, the empty one too', async () => {
    for (const body of [bodyOf(3_000_000), bodyOf(1), new Uint8Array(0)]) {
      const { grant, file } = await prepare(body)
      assert.deepEqual(await opened().transfers.download(grant, file), termsOf(body))
      assert.ok(same(await readFile(file), body))
    }
  })

  test('a download resumes after the bytes of a partial file', async () => {
    const body = bodyOf(1_000_000)
    for (const had of [1, 400_000, 1_000_000]) {
      const { grant, file } = await prepare(body)
      const beginning = body.slice(0, had)
      beginning[0] = (body[0] ?? 0) ^ 255 // shows whether the beginning is asked for again
      await writeFile(`${file}.partial`, beginning)
      const downloaded = await opened().transfers.download(grant, file)
      const found = await readFile(file)
      assert.deepEqual(downloaded, termsOf(found))
      assert.ok(same(found.subarray(1), body.subarray(1)))
      assert.equal(found[0], had === 1 ? body[0] : beginning[0])
    }
  })

  test('a partial file that is longer than the object is downloaded again', async () => {
    const body = bodyOf(1000)
    const { grant, file } = await prepare(body)
    await writeFile(`${file}.partial`, bodyOf(2000, 2))
    assert.deepEqual(await opened().transfers.download(grant, file), termsOf(body))
    assert.ok(same(await readFile(file), body))
  })

  test('a download of an absent object is refused, and creates no file of that name', async () => {
    const { store, transfers, scratch } = opened()
    const file = join(scratch, crypto.randomUUID())
    await assert.rejects(transfers.download(await store.grantRead(freshKey(), 60), file), GrantRefused)
    await assert.rejects(readFile(file), { code: 'ENOENT' })
  })
}
