// Converts Hugging Face's config.json of a SAM checkpoint to one flat, complete value. An absent field gets Hugging Face's default,
// that of sam-vit-base. Guarantees that a model that this code cannot compute exactly, or a count that no real model has, is
// rejected with the field's name. checkpoint.ts reads the file.

import { FedsamError } from '#protocol/errors.ts'
import { isObject } from '#protocol/json-object.ts'
import { shortened } from '#protocol/text.ts'

/** Layers, heads and masks: sam-vit-huge has 32 layers and 16 heads. The list of its tensors is as long. */
const MOST_LAYERS = 1024
/** Channels and neurons of a layer: sam-vit-huge has 5,120. */
const MOST_CHANNELS = 65_536
/** Pixels of a side: every published model has 1,024. */
const MOST_PIXELS = 16_384
/** Characters of a value that an error message shows. */
const SHOWN = 80

/** Image encoder. */
export interface VisionConfig {
  readonly hiddenSize: number
  readonly layers: number
  readonly heads: number
  readonly mlpSize: number
  readonly imageSize: number
  readonly patchSize: number
  /** Side of an attention window, in patches. */
  readonly windowSize: number
  /** Layers that attend over the whole image instead of a window. */
  readonly globalLayers: readonly number[]
  readonly outputChannels: number
  readonly epsilon: number
}

/** Prompt encoder. */
export interface PromptConfig {
  readonly maskInputChannels: number
  readonly epsilon: number
}

/** Mask decoder. */
export interface DecoderConfig {
  readonly hiddenSize: number
  readonly layers: number
  readonly heads: number
  readonly mlpSize: number
  /** Cross-attention works in hiddenSize / downsampleRate channels. */
  readonly downsampleRate: number
  readonly multimaskOutputs: number
  readonly iouHeadDepth: number
  readonly iouHeadSize: number
  readonly epsilon: number
}

/** All that the network's shapes depend on. */
export interface SamConfig {
  readonly vision: VisionConfig
  readonly prompt: PromptConfig
  readonly decoder: DecoderConfig
  /** Side of the grid of patches; masks have four times this side. */
  readonly grid: number
}

/** Reads fields of a nested part of config.json, each with its default. */
interface Fields {
  /** A whole number from 1 to `most`. */
  count(name: string, fallback: number, most: number): number
  positive(name: string, fallback: number): number
  /** Refuses every other value: the network is written for this one. */
  only(name: string, value: unknown): void
  /** At most MOST_LAYERS whole numbers from 0 on. */
  list(name: string, fallback: readonly number[]): readonly number[]
}

/** The configuration of Hugging Face's config.json (parsed). Throws BadCheckpoint, which names the field. */
export function parseSamConfig(json: unknown): SamConfig {
  const root = fieldsOf(json, '')
  root.only('model_type', 'sam')
  const vision = visionConfig(fieldsOf((json as Parts).vision_config ?? {}, 'vision_config.'))
  const grid = vision.imageSize / vision.patchSize
  const promptFields = fieldsOf((json as Parts).prompt_encoder_config ?? {}, 'prompt_encoder_config.')
  promptFields.only('hidden_act', 'gelu')
  promptFields.only('num_point_embeddings', 4)
  const prompt = {
    maskInputChannels: promptFields.count('mask_input_channels', 16, MOST_CHANNELS),
    epsilon: promptFields.positive('layer_norm_eps', 1e-6),
  }
  const decoder = decoderConfig(fieldsOf((json as Parts).mask_decoder_config ?? {}, 'mask_decoder_config.'))
  requireFit(
    Number.isInteger(grid),
    `image size ${vision.imageSize} is no multiple of patch size ${vision.patchSize}`,
  )
  requireFit(
    vision.hiddenSize % vision.heads === 0,
    'vision_config.hidden_size is no multiple of its attention heads',
  )
  requireFit(
    vision.outputChannels === decoder.hiddenSize,
    'vision output_channels differ from decoder hidden_size',
  )
  requireFit(decoder.hiddenSize % 8 === 0, 'mask_decoder_config.hidden_size is no multiple of 8')
  const crossSize = decoder.hiddenSize / decoder.downsampleRate
  requireFit(
    crossSize % decoder.heads === 0,
    'mask_decoder_config.hidden_size does not divide into its heads',
  )
  requireFit(
    prompt.maskInputChannels % 4 === 0,
    'prompt_encoder_config.mask_input_channels is no multiple of 4',
  )
  return { vision, prompt, decoder, grid }
}

type Parts = { vision_config?: unknown; prompt_encoder_config?: unknown; mask_decoder_config?: unknown }

function visionConfig(fields: Fields): VisionConfig {
  fields.only('hidden_act', 'gelu')
  fields.only('num_channels', 3)
  fields.only('qkv_bias', true)
  fields.only('use_abs_pos', true)
  fields.only('use_rel_pos', true)
  const hiddenSize = fields.count('hidden_size', 768, MOST_CHANNELS)
  return {
    hiddenSize,
    layers: fields.count('num_hidden_layers', 12, MOST_LAYERS),
    heads: fields.count('num_attention_heads', 12, MOST_LAYERS),
    mlpSize: fields.count('mlp_dim', Math.trunc(hiddenSize * fields.positive('mlp_ratio', 4)), MOST_CHANNELS),
    imageSize: fields.count('image_size', 1024, MOST_PIXELS),
    patchSize: fields.count('patch_size', 16, MOST_PIXELS),
    windowSize: fields.count('window_size', 14, MOST_PIXELS),
    globalLayers: fields.list('global_attn_indexes', [2, 5, 8, 11]),
    outputChannels: fields.count('output_channels', 256, MOST_CHANNELS),
    epsilon: fields.positive('layer_norm_eps', 1e-6),
  }
}

function decoderConfig(fields: Fields): DecoderConfig {
  fields.only('hidden_act', 'relu')
  return {
    hiddenSize: fields.count('hidden_size', 256, MOST_CHANNELS),
    layers: fields.count('num_hidden_layers', 2, MOST_LAYERS),
    heads: fields.count('num_attention_heads', 8, MOST_LAYERS),
    mlpSize: fields.count('mlp_dim', 2048, MOST_CHANNELS),
    downsampleRate: fields.count('attention_downsample_rate', 2, MOST_LAYERS),
    multimaskOutputs: fields.count('num_multimask_outputs', 3, MOST_LAYERS),
    iouHeadDepth: fields.count('iou_head_depth', 3, MOST_LAYERS),
    iouHeadSize: fields.count('iou_head_hidden_dim', 256, MOST_CHANNELS),
    epsilon: fields.positive('layer_norm_eps', 1e-6),
  }
}

function fieldsOf(json: unknown, path: string): Fields {
  requireFit(isObject(json), `${path || 'it'} is not an object`)
  const values = json as Readonly<Record<string, unknown>>
  // Hugging Face writes null for "derived": mlp_dim of most published checkpoints.
  const read = (name: string, fallback: unknown) => values[name] ?? fallback
  const number = (name: string, fallback: number, fits: (value: number) => boolean, more = '') => {
    const value = read(name, fallback)
    requireFit(typeof value === 'number' && fits(value), `${path}${name} is ${shown(value)}${more}`)
    return value as number
  }
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0
  return {
    count: (name, fallback, most) => {
      const range = ` where a whole number from 1 to ${most} is needed`
      return number(name, fallback, (value) => isCount(value) && value <= most, range)
    },
    positive: (name, fallback) => number(name, fallback, (value) => value > 0 && Number.isFinite(value)),
    only: (name, value) => {
      const found = read(name, value)
      requireFit(
        found === value,
        `${path}${name} is ${shown(found)} where only ${JSON.stringify(value)} is known`,
      )
    },
    list: (name, fallback) => {
      const value = read(name, fallback)
      const fits =
        Array.isArray(value) &&
        value.length <= MOST_LAYERS &&
        value.every((item) => item === 0 || isCount(item))
      requireFit(fits, `${path}${name} is ${shown(value)}`)
      return value as readonly number[]
    },
  }
}

/** A value as JSON, cut where it is long. */
function shown(value: unknown): string {
  return shortened(JSON.stringify(value), SHOWN)
}

function requireFit(fits: boolean, otherwise: string): void {
  if (!fits)
    throw new FedsamError('BadCheckpoint', `config.json does not describe a SAM model: ${otherwise}.`, {
      remedy: 'Name a checkpoint of Hugging Face’s SamModel (model_type sam).',
    })
}
