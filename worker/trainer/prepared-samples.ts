// Prepares samples for training: the image's embedding (or its pixels where the encoder trains), the true mask at the decoder's
// resolution, and the true box. Embeddings are cached on disk under a digest of encoder, processor, image and backend.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { type Box, type Sample, tightBox } from '#worker/data/samples.ts'
import type { Checkpoint } from '#worker/model/segment-anything/checkpoint.ts'
import type { SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { modelView, type Processor, preprocess } from '#worker/model/segment-anything/processor.ts'
import type { Backend } from '#worker/tensorflow/backend.ts'
import type { Report } from './serve.ts'

/** A sample with a non-empty mask, ready for the model. It does not keep the picture, so a large data set fits in memory. */
export interface Prepared {
  readonly sample: Omit<Sample, 'image'>
  readonly processor: Processor
  /** Height and width before and after resizing. */
  readonly sizes: {
    readonly original: readonly [number, number]
    readonly reshaped: readonly [number, number]
  }
  /** In pixels of the original picture. */
  readonly box: Box
  /** 0/1 at the decoder's resolution, [4G, 4G]. */
  readonly truth: Uint8Array
  readonly input: { readonly embeddings: Float32Array } | { readonly pixels: Float32Array }
}

export interface PreparationOptions {
  readonly model: SegmentAnything
  readonly processor: Processor
  /** The folder in which embeddings are cached. */
  readonly cache: string
  /** 'Trains': embeddings change with every step, so the samples keep the pixels instead. */
  readonly encoder:
    | 'Trains'
    | { readonly checkpoint: Checkpoint; readonly backend: Pick<Backend, 'name' | 'gpu'> }
  /** Called after each sample: embedding a large partition takes long. */
  readonly report?: Report
}

/**
 * Loads and prepares samples one after the other, in the order of `stems`. Leaves out those with an empty mask (the preflight has
 * named them).
 */
export async function prepareSamples(
  stems: readonly string[],
  load: (stem: string) => Promise<Sample>,
  options: PreparationOptions,
): Promise<Prepared[]> {
  const { model, processor, encoder, report } = options
  const encoderDigest =
    encoder === 'Trains' ? '' : digestEncoder(encoder.checkpoint, processor, encoder.backend)
  const view = modelView(model.config, processor)
  const prepared: Prepared[] = []
  for (const stem of stems) {
    const { image, ...sample } = await load(stem)
    const box = tightBox(sample.mask, sample.width)
    if (box === undefined) continue
    const { pixelValues, original, reshaped } = preprocess(image, processor)
    const input =
      encoder === 'Trains'
        ? { pixels: pixelValues }
        : { embeddings: await embed(pixelValues, encoderDigest, options) }
    report?.(prepared.length + 1, stems.length, 'preparing images')
    prepared.push({
      sample,
      processor,
      sizes: { original, reshaped },
      box,
      truth: view(sample),
      input,
    })
  }
  return prepared
}

/** What an embedding depends on besides the image. A GPU and a CPU round differently under one backend's name. */
function digestEncoder(
  { configJson, tensors }: Checkpoint,
  processor: Processor,
  { name: backend, gpu }: Pick<Backend, 'name' | 'gpu'>,
): string {
  const hash = createHash('sha256').update(canonicalJson([backend, gpu, configJson, processor]))
  for (const name of [...tensors.keys()].filter((key) => key.startsWith('vision_encoder.')).sort()) {
    hash.update(name).update(tensors.get(name)!.data)
  }
  return hash.digest('hex')
}

async function embed(
  pixels: Float32Array,
  encoderDigest: string,
  { model, cache }: PreparationOptions,
): Promise<Float32Array> {
  const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)
  const folder = join(cache, 'embeddings', encoderDigest.slice(0, 16))
  const file = join(folder, `${sha256(bytes)}.f32`)
  const { grid, decoder } = model.config
  const expected = grid * grid * decoder.hiddenSize * 4
  const cached = await readFile(file).catch(() => undefined)
  if (cached?.length === expected) return new Float32Array(Uint8Array.from(cached).buffer)
  const embeddings = await model.encodeImages(pixels, 1)
  await mkdir(folder, { recursive: true })
  // Two processes may prepare the same image: each writes its own file and renames it; the bytes are equal.
  const draft = `${file}.${process.pid}`
  await writeFile(draft, new Uint8Array(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength))
  await rename(draft, file)
  return embeddings
}
