// A record is verified by its bytes: whatever object of it is changed, lost or swapped is found.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { MANIFEST_KEY, resultKey } from '#protocol/keys.ts'
import { type Manifest, readMarker } from '#protocol/record.ts'
import { runFederation } from '#test/federation/federation.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { verifyRecord } from './verify.ts'

/** Every key that was written, with its bytes. */
let written: Map<string, Uint8Array>

before(async () => {
  const memory = createMemoryStore()
  const keys = new Set<string>()
  const noting: ObjectStore = {
    ...memory,
    put: (key, body) => {
      keys.add(key)
      return memory.put(key, body)
    },
    write: (key, size, chunks) => {
      keys.add(key)
      return memory.write(key, size, chunks)
    },
    grantWrite: (key, terms, seconds) => {
      keys.add(key)
      return memory.grantWrite(key, terms, seconds)
    },
  }
  await runFederation({
    clients: ['a', 'b'],
    rounds: 2,
    size: 100,
    store: noting,
    transfers: createGrantedTransfers({ memory }),
  })
  written = new Map()
  for (const key of keys) {
    const bytes = await memory.get(key)
    if (bytes !== undefined) written.set(key, bytes)
  }
})

async function recordWith(
  change: (key: string, bytes: Uint8Array) => Uint8Array | undefined,
): Promise<ObjectStore> {
  const store = createMemoryStore()
  for (const [key, bytes] of written) {
    const changed = change(key, bytes)
    if (changed !== undefined) await store.put(key, changed)
  }
  return store
}

describe('a record', () => {
  test('that is unchanged is sound, and lists the payloads that retention deleted', async () => {
    const { problems, complete, results, absent } = await verifyRecord(await recordWith((_, bytes) => bytes))
    assert.deepEqual(problems, [])
    assert.deepEqual({ complete, results }, { complete: true, results: 4 })
    assert.deepEqual(
      absent.filter((key) => key.endsWith('model.safetensors')),
      ['rounds/0/1/model.safetensors'],
    )
  })

  test('with one changed bit, in any object that counts, is not sound', async () => {
    const counting = [...written.keys()].filter(
      (key) => !key.startsWith('coordinators/') && key !== 'output/manifest.json',
    )
    assert.ok(counting.length > 20)
    for (const damaged of counting) {
      const store = await recordWith((key, bytes) => {
        if (key !== damaged) return bytes
        const flipped = new Uint8Array(bytes)
        flipped[flipped.length - 2] = flipped[flipped.length - 2]! ^ 1
        return flipped
      })
      const { problems } = await verifyRecord(store)
      assert.notDeepEqual(problems, [], damaged)
    }
  })

  test('in which another key takes the place of a client key is not sound', async () => {
    const store = await recordWith((key, bytes) => {
      if (key !== 'clients/a/1.json') return bytes
      const pinned = readMarker('clientKey', key, bytes)
      return encodeJson({ ...pinned, key: keyNamed('stranger').publicKey })
    })
    const { problems } = await verifyRecord(store)
    assert.ok(problems.length >= 2)
    for (const problem of problems)
      assert.match(problem, /^round \d: no key of a signed its receipt that counts$/)
  })

  test('without one of its markers is not sound', async () => {
    for (const missing of [
      'run.json',
      'rounds/1/1/plan.json',
      'rounds/2/1/decision.json',
      'rounds/1/1/updates/a.json',
    ]) {
      const { problems } = await verifyRecord(
        await recordWith((key, bytes) => (key === missing ? undefined : bytes)),
      )
      assert.notDeepEqual(problems, [], missing)
    }
  })

  test('whose last result is missing has an output of another chain', async () => {
    const { problems } = await verifyRecord(
      await recordWith((key, bytes) => (key === 'rounds/3/result.json' ? undefined : bytes)),
    )
    assert.match(problems.join(), /head that is not in the chain/)
  })

  /** The record with one file of the output replaced, and its size and digest corrected in the manifest. */
  function withReplaced(name: string, change: (bytes: Uint8Array) => Uint8Array): Promise<ObjectStore> {
    const bytes = change(written.get(`output/${name}`)!)
    return withManifest(
      (manifest) => ({
        ...manifest,
        files: manifest.files.map((file) =>
          file.name === name ? { name, size: bytes.length, sha256: sha256(bytes) } : file,
        ),
      }),
      (key) => (key === `output/${name}` ? bytes : undefined),
    )
  }

  function withManifest(
    change: (manifest: Manifest) => object,
    other: (key: string) => Uint8Array | undefined = () => undefined,
  ): Promise<ObjectStore> {
    return recordWith((key, bytes) =>
      key === MANIFEST_KEY ? encodeJson(change(readMarker('manifest', key, bytes))) : (other(key) ?? bytes),
    )
  }
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1)

  for (const name of ['model.safetensors', 'metrics.json', 'provenance.json']) {
    test(`whose ${name} was replaced, with its digest in the manifest, is not sound`, async () => {
      const { problems } = await verifyRecord(await withReplaced(name, flipped))
      assert.deepEqual(problems, [
        `output/${name} is not the file of round 2`,
        'output/signatures/1.json signs another output/manifest.json, or another chain',
      ])
    })
  }

  test('whose manifest names the model of another round is not sound', async () => {
    const key = resultKey(1)
    const result = readMarker('result', key, written.get(key)!)
    const model = written.get(result.model.key)!
    const { problems } = await verifyRecord(
      await withManifest(
        (manifest) => ({
          ...manifest,
          round: 1,
          result: sha256(written.get(key)!),
          files: manifest.files.map((file) =>
            file.name === 'model.safetensors' ? { ...file, sha256: result.model.sha256 } : file,
          ),
        }),
        (other) => (other === 'output/model.safetensors' ? model : undefined),
      ),
    )
    assert.match(problems.join(), /names round 1; the record chose round 2/)
  })

  const manifests: readonly [what: string, change: (manifest: Manifest) => object, says: RegExp][] = [
    ['no field', () => ({}), /manifest\.json: \S+: /],
    [
      'a path as a file',
      (m) => ({ ...m, files: [{ ...m.files[0], name: '../run.json' }] }),
      /is not the name of a file of the output/,
    ],
    ['no model', (m) => ({ ...m, files: [] }), /does not name model\.safetensors/],
    ['another head', (m) => ({ ...m, head: m.result }), /head that is not the end of the chain/],
    ['another round', (m) => ({ ...m, round: 1 }), /names round 1 and the result of round 2/],
    ['another name', (m) => ({ ...m, name: 'other' }), /another name/],
    ['an unknown result', (m) => ({ ...m, result: '0'.repeat(64) }), /result that is not in the chain/],
    [
      'a size without end',
      (m) => ({ ...m, files: m.files.map((file) => ({ ...file, size: Number.MAX_SAFE_INTEGER })) }),
      /is not what output\/manifest\.json names/,
    ],
  ]
  for (const [what, change, says] of manifests) {
    test(`whose manifest has ${what} is not sound`, async () => {
      const { problems } = await verifyRecord(await withManifest(change))
      assert.match(problems.join(), says)
    })
  }
})
