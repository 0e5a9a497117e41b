// A whole checkpoint from a base and trained tensors: the bytes that Hugging Face's own writer makes, from one file or from
// shards, with a tied tensor once; and what a damaged base comes to.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { baseKey } from '#protocol/keys.ts'
import type { PayloadRef, RunRecord } from '#protocol/record.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import { POSITIONAL, POSITIONAL_ALIAS } from '#protocol/segment-anything.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { wholeBase, wholeCheckpoint } from './whole-checkpoint.ts'

const GOLDEN = fileURLToPath(new URL('../../test/golden/sam/tiny-a', import.meta.url))
const golden = new Uint8Array(await readFile(join(GOLDEN, 'model.safetensors')))
const tensors = readSafetensors(golden)
const DIGEST = 'd'.repeat(64)
const MODEL = 'output/model.safetensors'

type Files = Readonly<Record<string, Uint8Array>>

/** The merged file of a base of these files and a model of these tensors. */
async function merged(files: Files, trained: readonly Tensor[]): Promise<Uint8Array> {
  const store = createMemoryStore()
  for (const [name, bytes] of Object.entries(files)) await store.put(baseKey(DIGEST, name), bytes)
  const model = writeSafetensors(trained)
  await store.put(MODEL, model)
  const payload: PayloadRef = {
    key: MODEL,
    size: model.length,
    sha256: sha256(model),
    blocks: [sha256(model)],
  }
  const base: NonNullable<RunRecord['base']> = {
    uri: 'sam',
    digest: DIGEST,
    files: Object.entries(files).map(([name, bytes]) => ({
      name,
      size: bytes.length,
      sha256: sha256(bytes),
    })),
  }
  const { size, chunks } = await wholeCheckpoint(store, base, payload)
  const parts: Uint8Array[] = []
  for await (const chunk of chunks()) parts.push(chunk)
  const whole = Buffer.concat(parts)
  assert.equal(whole.length, size)
  return new Uint8Array(whole)
}

const zeroed = (tensor: Tensor): Tensor => ({ ...tensor, data: new Uint8Array(tensor.data.length) })
const some = tensors.filter(({ name }) => name.startsWith('mask_decoder.'))

test("with a base's own tensors it is the file that the reference wrote, byte for byte", async () => {
  assert.equal(sha256(await merged({ 'model.safetensors': golden }, some)), sha256(golden))
})

test('of shards and of one file it has the same bytes, with the trained tensors in place', async () => {
  const trained = some.map(zeroed)
  const halves = [tensors.slice(0, 90), tensors.slice(90)]
  const map = Object.fromEntries(
    halves.flatMap((half, i) => half.map(({ name }) => [name, `part-${i}.safetensors`])),
  )
  const shards = {
    'model.safetensors.index.json': encodeJson({ weight_map: map }),
    'part-0.safetensors': writeSafetensors(halves[0]!),
    'part-1.safetensors': writeSafetensors(halves[1]!),
    // Not named by the index, so no part of the model.
    'other.safetensors': writeSafetensors([
      { name: 'other', shape: [1], dtype: 'F32', data: new Uint8Array(4) },
    ]),
  }
  const whole = await merged(shards, trained)
  assert.equal(sha256(whole), sha256(await merged({ 'model.safetensors': golden }, trained)))
  const made = new Map(readSafetensors(whole).map((tensor) => [tensor.name, tensor]))
  assert.deepEqual([...made.keys()], tensors.map(({ name }) => name).sort())
  for (const { name } of trained)
    assert.ok(
      made.get(name)!.data.every((byte) => byte === 0),
      name,
    )
})

test('a tied tensor is there once, under its shared name, whichever name the base has', async () => {
  const shared = tensors.find(({ name }) => name === POSITIONAL)!
  const alias = { ...shared, name: POSITIONAL_ALIAS }
  const others = tensors.filter(({ name }) => name !== POSITIONAL)
  for (const given of [
    [...others, alias],
    [...others, shared, zeroed(alias)],
  ]) {
    const whole = await merged({ 'model.safetensors': writeSafetensors(given) }, some)
    assert.equal(sha256(whole), sha256(golden))
  }
})

test('a damaged base is reported', async () => {
  const damaged = (says: RegExp) => ({ code: 'RecordDamaged', message: says })
  const none = { 'config.json': encodeJson({}) }
  await assert.rejects(merged(none, some), damaged(/has no file model\.safetensors/))
  await assert.rejects(
    merged({ 'model.safetensors': golden.subarray(0, 99) }, some),
    damaged(/base\/d+\/model\.safetensors is shorter/),
  )
  const index = { 'model.safetensors.index.json': encodeJson({ weight_map: { a: 'gone.safetensors' } }) }
  await assert.rejects(merged(index, some), damaged(/has no file gone\.safetensors/))
  await assert.rejects(
    merged({ 'model.safetensors.index.json': encodeJson({}) }, some),
    damaged(/names no files/),
  )
})

test('only a run that asked for it has the whole checkpoint', () => {
  const base = { uri: 'sam', digest: DIGEST, files: [] }
  const run = (spec: object, own: typeof base | null): RunRecord => ({
    schema: 'fedsam.run/1',
    ...{ name: 'a', uid: 'u', seed: 0, spec: { ...spec }, base: own },
  })
  assert.equal(wholeBase(run({ output: { fullCheckpoint: true } }, base)), base)
  assert.equal(wholeBase(run({ output: { fullCheckpoint: true } }, null)), null)
  assert.equal(wholeBase(run({ output: { fullCheckpoint: false } }, base)), null)
  assert.equal(wholeBase(run({}, base)), null)
})
