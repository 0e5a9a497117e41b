// run.json as a site reads it: believed by the signed answer alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import type { Granted } from '#protocol/messages.ts'
import type { ByteRange } from '#transport/ports.ts'
import { NotWanted } from '#worker/network/grants.ts'
import { readRunFile } from './run-file.ts'

const RECORD = { schema: 'fedsam.run/1', name: 'brain', uid: 'u', spec: {}, seed: 7, base: null }
const BYTES = encodeJson(RECORD)
const GRANT = { method: 'GET', url: 'https://store/run.json', headers: {} } as const
const OBJECT = { size: BYTES.length, sha256: sha256(BYTES) }

/** Reads with this answer, from a store that has these bytes. */
async function read(granted: Granted, bytes: Uint8Array = BYTES, ranges: (ByteRange | undefined)[] = []) {
  const transfers = {
    read: async (_: unknown, range?: ByteRange) => {
      ranges.push(range)
      return bytes.subarray(0, range?.length)
    },
  }
  return readRunFile(async () => [granted], transfers)
}

test('the bytes that the coordinator vouches for are read, and no byte more', async () => {
  const ranges: (ByteRange | undefined)[] = []
  const longer = Buffer.concat([BYTES, Buffer.alloc(1000)])
  assert.deepEqual(await read({ kind: 'Grant', grant: GRANT, object: OBJECT }, longer, ranges), RECORD)
  assert.deepEqual(ranges, [{ offset: 0, length: BYTES.length }])
})

test('other bytes are refused', async () => {
  const other = encodeJson({ ...RECORD, name: 'heart' })
  await assert.rejects(read({ kind: 'Grant', grant: GRANT, object: OBJECT }, other), {
    code: 'RecordDamaged',
  })
})

test('a coordinator that does not vouch for it is too old, and nothing is read', async () => {
  const ranges: (ByteRange | undefined)[] = []
  await assert.rejects(read({ kind: 'Grant', grant: GRANT }, BYTES, ranges), {
    code: 'SiteRefused',
    message: /too old for sites/,
  })
  assert.deepEqual(ranges, [])
})

test('a file that is too large is not read', async () => {
  const ranges: (ByteRange | undefined)[] = []
  const object = { ...OBJECT, size: 2 ** 20 + 1 }
  await assert.rejects(read({ kind: 'Grant', grant: GRANT, object }, BYTES, ranges), { code: 'SiteRefused' })
  assert.deepEqual(ranges, [])
})

test('a refusal may pass', async () => {
  await assert.rejects(read({ kind: 'Refused', reason: 'not yet' }), (error) => error instanceof NotWanted)
})
