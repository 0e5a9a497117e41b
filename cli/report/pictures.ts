// Computes the report's pictures: held-out images with the masks of the pretrained and of the trained model. It runs the model of
// the base checkpoint in this process, once with the checkpoint's parameters and once with those of the output.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { RgbImage } from '#worker/data/images.ts'
import { dice } from '#worker/data/metrics.ts'
import { loadSamples } from '#worker/data/samples.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { createSegmentAnything, type SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { readProcessor } from '#worker/model/segment-anything/processor-file.ts'
import { type BackendName, loadBackend } from '#worker/tensorflow/backend.ts'
import { predictMask } from '#worker/trainer/evaluation.ts'
import { type Prepared, prepareSamples } from '#worker/trainer/prepared-samples.ts'
import type { HeldOutPicture, SitePictures } from './facts.ts'
import { type Colour, imageUri, layerUri, type Mask, reportSize } from './raster.ts'

export interface PictureOptions {
  /** Its folders are those of this machine. */
  readonly spec: CompleteFederatedJobSpec
  /** Stems of held-out images by partition, in the order of the partitions. */
  readonly heldOut: readonly { readonly name: string; readonly stems: readonly string[] }[]
  /** Folder of the base checkpoint. */
  readonly checkpoint: string
  /** Reads the file of the trained parameters. */
  readonly trained: () => Promise<Uint8Array>
  /** A partition's folder of embeddings. */
  readonly cache: (partition: string) => string
}

/** Sites in a report, and images of each: a reader should see all without much scrolling. */
const SITES = 8
const PER_SITE = 3

const TRUTH: Colour = [86, 214, 255, 255]
const TRUTH_FILL: Colour = [86, 214, 255, 110]
const PREDICTED: Colour = [255, 176, 0, 120]

/** Pictures of each site, in the order of the partitions. Throws NoAccelerator, BadCheckpoint, BadData. */
export async function gatherPictures(options: PictureOptions): Promise<SitePictures[]> {
  const trainer = options.spec.trainer.segmentAnything!
  const checkpoint = await readCheckpoint(options.checkpoint)
  const processor = await readProcessor(options.checkpoint, checkpoint.config)
  // A rule of the schema refuses the one value that is no backend.
  const backend = await loadBackend({ prefer: trainer.backend as 'Auto' | BackendName })
  const model = createSegmentAnything(backend.tf, checkpoint.config, checkpoint.tensors)
  try {
    const sites: { client: string; prepared: Prepared[] }[] = []
    const images = new Map<Prepared, RgbImage>()
    for (const { name, stems } of options.heldOut.slice(0, SITES)) {
      const { dataset } = options.spec.partitions.find((partition) => partition.name === name)!
      const samples = await loadSamples(dataset, dataset.root, spread(stems, PER_SITE))
      const byStem = new Map(samples.map((sample) => [sample.stem, sample]))
      const prepared = await prepareSamples([...byStem.keys()], async (stem) => byStem.get(stem)!, {
        model,
        processor,
        cache: options.cache(name),
        encoder: trainer.train.includes('VisionEncoder') ? 'Trains' : { checkpoint, backend },
      })
      sites.push({ client: name, prepared })
      for (const one of prepared) images.set(one, byStem.get(one.sample.stem)!.image)
    }
    const all = sites.flatMap(({ prepared }) => prepared)
    const before = await predictAll(model, all, trainer.prompts)
    model.setTensors(readSafetensors(await options.trained()))
    const after = await predictAll(model, all, trainer.prompts)
    const drawn = new Map<Prepared, HeldOutPicture>()
    for (const prepared of all) {
      const predictions = [
        ['pretrained', before.get(prepared)!],
        ['federated', after.get(prepared)!],
      ] as const
      drawn.set(prepared, await draw(prepared, images.get(prepared)!, predictions))
    }
    return sites.map(({ client, prepared }) => ({ client, pictures: prepared.map((one) => drawn.get(one)!) }))
  } finally {
    model.dispose()
  }
}

/** `count` of the items, spread over all of them. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items]
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)]!)
}

async function predictAll(
  model: SegmentAnything,
  samples: readonly Prepared[],
  prompts: 'Box' | 'Points',
): Promise<Map<Prepared, Uint8Array>> {
  const masks = new Map<Prepared, Uint8Array>()
  for (const prepared of samples) masks.set(prepared, (await predictMask(model, prepared, prompts)).mask)
  return masks
}

async function draw(
  { sample }: Prepared,
  image: RgbImage,
  predictions: readonly (readonly [string, Uint8Array])[],
): Promise<HeldOutPicture> {
  const { stem } = sample
  const [width, height] = reportSize(sample)
  const as = (values: Uint8Array): Mask => ({ width: sample.width, height: sample.height, values })
  const truth = as(sample.mask)
  const outline = { mask: truth, colour: TRUTH }
  const drawn: HeldOutPicture['predictions'][number][] = []
  for (const [model, mask] of predictions) {
    const overlay = await layerUri({ fill: { mask: as(mask), colour: PREDICTED }, outline })
    drawn.push({ model, dice: dice(mask, sample.mask), overlay })
  }
  return {
    stem,
    width,
    height,
    image: await imageUri(image),
    truth: await layerUri({ fill: { mask: truth, colour: TRUTH_FILL }, outline }),
    predictions: drawn,
  }
}
