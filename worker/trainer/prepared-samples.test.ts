// Prepared samples: the cache key of an embedding covers its inputs, prompts are at the right place of the resized picture, and
// each image keeps its prompt through all evaluations.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { goldenFolder } from '#test/fidelity/golden.ts'
import { randomFrom } from '#worker/data/random.ts'
import type { Sample } from '#worker/data/samples.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { createSegmentAnything, type SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { type Processor, processorFrom } from '#worker/model/segment-anything/processor.ts'
import { type Backend, loadBackend } from '#worker/tensorflow/backend.ts'
import { promptedBatch } from './batches.ts'
import { predictMask } from './evaluation.ts'
import { type PreparationOptions, type Prepared, prepareSamples } from './prepared-samples.ts'

const checkpoint = await readCheckpoint(goldenFolder('tiny-a'))
let dir: string
let backend: Backend
let model: SegmentAnything
let processor: Processor
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-prepared-'))
  backend = await loadBackend({ prefer: 'CPU' })
  model = createSegmentAnything(backend.tf, checkpoint.config, checkpoint.tensors)
  processor = processorFrom({ size: { longest_edge: checkpoint.config.vision.imageSize } })
})
after(async () => {
  model.dispose()
  await rm(dir, { recursive: true })
})

/** A picture of 6x3 pixels whose object is these pixels. */
function sampleOf(stem: string, object: (x: number, y: number) => boolean): Sample {
  const [width, height] = [6, 3]
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 37) % 256)
  const mask = Uint8Array.from({ length: width * height }, (_, i) =>
    object(i % width, Math.floor(i / width)) ? 1 : 0,
  )
  return { stem, width, height, image: { width, height, data }, mask }
}

const prepare = async (
  samples: readonly Sample[],
  own: Partial<PreparationOptions> = {},
): Promise<Prepared[]> =>
  prepareSamples(
    samples.map(({ stem }) => stem),
    async (stem) => samples.find((sample) => sample.stem === stem)!,
    { model, processor, cache: dir, encoder: { checkpoint, backend }, ...own },
  )

const embeddingsOf = ({ input }: Prepared): number[] => [
  ...(input as { embeddings: Float32Array }).embeddings,
]

test('an embedding in the cache is used by the backend that made it, and by no other', async () => {
  const cache = join(dir, 'cache')
  const sample = sampleOf('a', () => true)
  const [made] = await prepare([sample], { cache })
  const exact = embeddingsOf(made!)
  const [folder] = await readdir(join(cache, 'embeddings'))
  const [file] = await readdir(join(cache, 'embeddings', folder!))
  // Other values in the cache show which backend reads them.
  const path = join(cache, 'embeddings', folder!, file!)
  await writeFile(path, new Uint8Array((await readFile(path)).length))
  const read = async (name: Backend['name'], gpu: boolean): Promise<number[]> => {
    const [prepared] = await prepare([sample], { cache, encoder: { checkpoint, backend: { name, gpu } } })
    return embeddingsOf(prepared!)
  }
  assert.ok((await read('CPU', false)).every((value) => value === 0))
  assert.deepEqual(await read('Wasm', false), exact)
  assert.deepEqual(await read('CPU', true), exact)
  assert.equal((await readdir(join(cache, 'embeddings'))).length, 3)
})

test('another processor and another encoder have their own embeddings', async () => {
  const cache = join(dir, 'others')
  const sample = sampleOf('a', () => true)
  await prepare([sample], { cache })
  await prepare([sample], { cache, processor: { ...processor, mean: [0, 0, 0] } })
  const [name, tensor] = [...checkpoint.tensors].find(([key]) => key.startsWith('vision_encoder.'))!
  const data = tensor.data.slice()
  data[0]! ^= 1
  const tensors = new Map(checkpoint.tensors).set(name, { ...tensor, data })
  await prepare([sample], { cache, encoder: { checkpoint: { ...checkpoint, tensors }, backend } })
  assert.equal((await readdir(join(cache, 'embeddings'))).length, 3)
})

test('a cached embedding of another length is computed again', async () => {
  const cache = join(dir, 'short')
  const sample = sampleOf('a', () => true)
  const [made] = await prepare([sample], { cache })
  const [folder] = await readdir(join(cache, 'embeddings'))
  const [file] = await readdir(join(cache, 'embeddings', folder!))
  await writeFile(join(cache, 'embeddings', folder!, file!), new Uint8Array(8))
  const [again] = await prepare([sample], { cache })
  assert.deepEqual(embeddingsOf(again!), embeddingsOf(made!))
})

test('prompts of a picture that is not square: each axis has its own factor', async () => {
  const [prepared] = await prepare([sampleOf('a', (x, y) => x === 5 && y === 2)], { encoder: 'Trains' })
  const stretched = { ...prepared!, sizes: { original: [3, 6], reshaped: [30, 120] } } as const
  const points = promptedBatch([stretched], { prompts: 'Points', boxJitterPixels: 0 }, randomFrom('seed'))
  assert.deepEqual([...points.points!], [(5 * 120) / 6, (2 * 30) / 3])
  const boxes = promptedBatch([stretched], { prompts: 'Box', boxJitterPixels: 0 }, randomFrom('seed'))
  assert.deepEqual([...boxes.boxes!], [100, 20, 100, 20])
})

test('in evaluation each image has its own point, the same every time', async () => {
  const everywhere = () => true
  const samples = ['a', 'b', 'c', 'd'].map((stem) => sampleOf(stem, everywhere))
  const prepared = await prepare(samples)
  const logits = async (one: Prepared): Promise<string> =>
    [...(await predictMask(model, one, 'Points')).logits].join()
  const first = await Promise.all(prepared.map(logits))
  assert.deepEqual(await Promise.all(prepared.map(logits)), first)
  assert.ok(new Set(first).size > 1, 'images that differ in their name alone have different points')
})

test('a sample with an empty mask is left out', async () => {
  assert.deepEqual(await prepare([sampleOf('a', () => false)]), [])
})

test('samples are loaded one after the other, and their pictures are not kept', async () => {
  const events: string[] = []
  const prepared = await prepareSamples(
    ['a', 'b'],
    async (stem) => {
      events.push(`load ${stem}`)
      return sampleOf(stem, () => true)
    },
    {
      model,
      processor,
      cache: dir,
      encoder: 'Trains',
      report: (done, total) => events.push(`${done} of ${total}`),
    },
  )
  assert.deepEqual(events, ['load a', '1 of 2', 'load b', '2 of 2'])
  assert.ok(prepared.every(({ sample }) => !('image' in sample)))
})
