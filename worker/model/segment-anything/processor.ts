// Converts pictures to model input, and masks back: resizes the longest side, rescales, normalises, then pads right and below, so
// that padding is 0 and not black. Guarantees the numbers of Hugging Face's SamImageProcessor (its default, torchvision path);
// test/golden/sam/processor has them. Pure functions on typed arrays; worker/data decodes the files.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { resizeAntialiased, resizeBilinear, resizeNearest, type Size } from './resize.ts'

/** An RGB picture: data is [height, width, 3], 8 bits, interleaved. */
export interface RgbPixels {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** The checked content of preprocessor_config.json. */
export interface Processor {
  /** The longest side after resizing, and the side of the padded square that the model sees, in pixels. */
  readonly longestEdge: number
  readonly side: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly rescaleFactor: number
}

/** A picture in the form of the model's input. */
export interface Preprocessed {
  /** [3, side, side], channels first. */
  readonly pixelValues: Float32Array
  /** Before padding. */
  readonly reshaped: Size
  readonly original: Size
}

/** x1, y1, x2, y2 in pixels. */
export type Box = readonly [number, number, number, number]

/** A side in pixels: every published model has 1,024. */
const Positive = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16_384))
const Finite = v.pipe(v.number(), v.finite())
const Triple = v.pipe(v.array(Finite), v.length(3))
const ConfigSchema = v.object({
  do_resize: v.optional(v.literal(true), true),
  do_pad: v.optional(v.literal(true), true),
  do_rescale: v.optional(v.boolean(), true),
  do_normalize: v.optional(v.boolean(), true),
  resample: v.optional(v.literal(2), 2),
  size: v.optional(v.object({ longest_edge: Positive }), { longest_edge: 1024 }),
  pad_size: v.optional(v.object({ height: Positive, width: Positive })),
  image_mean: v.optional(Triple, [0.485, 0.456, 0.406]),
  image_std: v.optional(
    v.pipe(
      Triple,
      v.everyItem((x) => x > 0),
    ),
    [0.229, 0.224, 0.225],
  ),
  rescale_factor: v.optional(v.pipe(Finite, v.gtValue(0)), 1 / 255),
})

/**
 * Reads a parsed preprocessor_config.json (or processor_config.json, which wraps it as `image_processor`). An absent
 * field has SAM's default; an absent pad_size is the longest edge.
 * Throws FedsamError BadCheckpoint, which names the unsupported field.
 */
export function processorFrom(config: unknown): Processor {
  const nested = v.safeParse(v.object({ image_processor: v.looseObject({}) }), config)
  const parsed = v.safeParse(ConfigSchema, nested.success ? nested.output.image_processor : config)
  if (!parsed.success) {
    const issue = parsed.issues[0]
    throw unsupported(`${v.getDotPath(issue) ?? 'content'}: ${issue.message}`)
  }
  const fields = parsed.output
  const longestEdge = fields.size.longest_edge
  const pad = fields.pad_size ?? { height: longestEdge, width: longestEdge }
  if (pad.height !== pad.width || pad.height < longestEdge) {
    throw unsupported(`pad_size: ${pad.height}x${pad.width} is not a square that holds ${longestEdge} pixels`)
  }
  return {
    longestEdge,
    side: pad.height,
    mean: fields.do_normalize ? fields.image_mean : [0, 0, 0],
    std: fields.do_normalize ? fields.image_std : [1, 1, 1],
    rescaleFactor: fields.do_rescale ? fields.rescale_factor : 1,
  }
}

function unsupported(detail: string): FedsamError {
  return new FedsamError(
    'BadCheckpoint',
    `the checkpoint's preprocessor_config.json is not supported: ${detail}`,
    {
      remedy: 'Use the preprocessor_config.json that belongs to a Segment Anything checkpoint.',
    },
  )
}

/** The size with the longest side at `longest` pixels, rounded half up as Hugging Face does; at least one pixel. */
export function fitLongestSide(size: Size, longest: number): Size {
  const scale = longest / Math.max(size[0], size[1])
  return [Math.max(1, Math.floor(size[0] * scale + 0.5)), Math.max(1, Math.floor(size[1] * scale + 0.5))]
}

/** The model's input for one picture. */
export function preprocess(image: RgbPixels, processor: Processor): Preprocessed {
  const original: Size = [image.height, image.width]
  const reshaped = fitLongestSide(original, processor.longestEdge)
  const pixels = resizeAntialiased(image.data, original, reshaped, 3)
  const { side } = processor
  const pixelValues = new Float32Array(3 * side * side)
  for (let channel = 0; channel < 3; channel++) {
    const normalised = normalisedLevels(processor, channel)
    for (let y = 0; y < reshaped[0]; y++) {
      const row = (channel * side + y) * side
      const from = y * reshaped[1] * 3 + channel
      for (let x = 0; x < reshaped[1]; x++) pixelValues[row + x] = normalised[pixels[from + 3 * x]!]!
    }
  }
  return { pixelValues, reshaped, original }
}

/** What each of the 256 grey levels becomes: (level − mean/factor) / (std/factor) in float32, the fused form. */
function normalisedLevels(processor: Processor, channel: number): Float32Array {
  const unit = 1 / processor.rescaleFactor
  const mean = Math.fround(Math.fround(processor.mean[channel]!) * unit)
  const std = Math.fround(Math.fround(processor.std[channel]!) * unit)
  return Float32Array.from({ length: 256 }, (_, level) => Math.fround(level - mean) / std)
}

/** A box of the original picture in pixels of the resized one. Each axis has its own factor: both sides were rounded. */
export function scaleBox(box: Box, original: Size, reshaped: Size): Box {
  const down = reshaped[0] / original[0]
  const across = reshaped[1] / original[1]
  return [box[0] * across, box[1] * down, box[2] * across, box[3] * down]
}

/** A 0/1 mask of an original picture. */
export interface MaskPixels {
  readonly width: number
  readonly height: number
  /** [height, width] */
  readonly mask: Uint8Array
}

/**
 * The ground truth at the decoder's resolution [side, side] (4 × the grid; Hugging Face's mask_size): nearest, the
 * longest side at `side · longestEdge / processor.side`, zero-padded right and below, like the model's own masks.
 */
export function lowResolutionMask(truth: MaskPixels, processor: Processor, side: number): Uint8Array {
  const longest = Math.round((side * processor.longestEdge) / processor.side)
  const size = fitLongestSide([truth.height, truth.width], longest)
  const small = resizeNearest(truth.mask, [truth.height, truth.width], size)
  const padded = new Uint8Array(side * side)
  for (let y = 0; y < size[0]; y++) {
    padded.set(small.subarray(y * size[1], (y + 1) * size[1]), y * side)
  }
  return padded
}

/** How a model sees a mask: lowResolutionMask at the side of its decoder's masks, four times the grid of patches. */
export function modelView(
  config: { readonly grid: number },
  processor: Processor,
): (truth: MaskPixels) => Uint8Array {
  return (truth) => lowResolutionMask(truth, processor, 4 * config.grid)
}

/** The decoder's logits [side, side] at the original size [height, width]: SamProcessor.post_process_masks. */
export function postprocessLogits(
  logits: Float32Array,
  sizes: { readonly reshaped: Size; readonly original: Size },
  processor: Processor,
): Float32Array {
  const side = Math.round(Math.sqrt(logits.length))
  const square: Size = [processor.side, processor.side]
  const cropped = resizeBilinear(logits, [side, side], square, sizes.reshaped)
  return resizeBilinear(cropped, sizes.reshaped, sizes.original)
}

/** The decoder's logits as a 0/1 mask of the original size: 1 where the logit is above 0. */
export function postprocessMask(
  logits: Float32Array,
  sizes: { readonly reshaped: Size; readonly original: Size },
  processor: Processor,
): Uint8Array {
  return Uint8Array.from(postprocessLogits(logits, sizes, processor), (logit) => (logit > 0 ? 1 : 0))
}
