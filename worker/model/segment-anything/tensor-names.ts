// Every tensor of a SAM checkpoint by its Hugging Face name, with its shape, computed from the configuration.
// Guarantees a complete list, so that checkpoint.ts finds missing, extra and misshapen tensors before any computation.
import { POSITIONAL } from '#protocol/segment-anything.ts'
import type { SamConfig } from './config.ts'

/** Names and shapes, in the network's order. The positional embedding appears under its shared name only. */
export function tensorShapes(config: SamConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  const add = (name: string, ...shape: number[]) => shapes.set(name, shape)
  add(POSITIONAL, 2, config.decoder.hiddenSize / 2)
  addVisionEncoder(config, add)
  addPromptEncoder(config, add)
  addMaskDecoder(config, add)
  return shapes
}

type Add = (name: string, ...shape: number[]) => void

function addLinear(add: Add, path: string, out: number, inputs: number): void {
  add(`${path}.weight`, out, inputs)
  add(`${path}.bias`, out)
}

function addNorm(add: Add, path: string, channels: number): void {
  add(`${path}.weight`, channels)
  add(`${path}.bias`, channels)
}

function addVisionEncoder({ vision, grid }: SamConfig, add: Add): void {
  const { hiddenSize, heads, mlpSize, outputChannels, patchSize, windowSize } = vision
  add('vision_encoder.pos_embed', 1, grid, grid, hiddenSize)
  add('vision_encoder.patch_embed.projection.weight', hiddenSize, 3, patchSize, patchSize)
  add('vision_encoder.patch_embed.projection.bias', hiddenSize)
  for (let layer = 0; layer < vision.layers; layer++) {
    const path = `vision_encoder.layers.${layer}`
    const table = 2 * (vision.globalLayers.includes(layer) ? grid : windowSize) - 1
    addNorm(add, `${path}.layer_norm1`, hiddenSize)
    add(`${path}.attn.rel_pos_h`, table, hiddenSize / heads)
    add(`${path}.attn.rel_pos_w`, table, hiddenSize / heads)
    addLinear(add, `${path}.attn.qkv`, 3 * hiddenSize, hiddenSize)
    addLinear(add, `${path}.attn.proj`, hiddenSize, hiddenSize)
    addNorm(add, `${path}.layer_norm2`, hiddenSize)
    addLinear(add, `${path}.mlp.lin1`, mlpSize, hiddenSize)
    addLinear(add, `${path}.mlp.lin2`, hiddenSize, mlpSize)
  }
  add('vision_encoder.neck.conv1.weight', outputChannels, hiddenSize, 1, 1)
  addNorm(add, 'vision_encoder.neck.layer_norm1', outputChannels)
  add('vision_encoder.neck.conv2.weight', outputChannels, outputChannels, 3, 3)
  addNorm(add, 'vision_encoder.neck.layer_norm2', outputChannels)
}

function addPromptEncoder({ prompt, decoder }: SamConfig, add: Add): void {
  const [channels, last] = [prompt.maskInputChannels, decoder.hiddenSize]
  for (let kind = 0; kind < 4; kind++) add(`prompt_encoder.point_embed.${kind}.weight`, 1, last)
  add('prompt_encoder.not_a_point_embed.weight', 1, last)
  add('prompt_encoder.no_mask_embed.weight', 1, last)
  const sizes: [string, number[]][] = [
    ['conv1', [channels / 4, 1, 2, 2]],
    ['conv2', [channels, channels / 4, 2, 2]],
    ['conv3', [last, channels, 1, 1]],
  ]
  for (const [name, shape] of sizes) {
    add(`prompt_encoder.mask_embed.${name}.weight`, ...shape)
    add(`prompt_encoder.mask_embed.${name}.bias`, shape[0]!)
  }
  addNorm(add, 'prompt_encoder.mask_embed.layer_norm1', channels / 4)
  addNorm(add, 'prompt_encoder.mask_embed.layer_norm2', channels)
}

function addMaskDecoder({ decoder }: SamConfig, add: Add): void {
  const { hiddenSize, mlpSize, downsampleRate, multimaskOutputs, iouHeadDepth, iouHeadSize } = decoder
  const masks = multimaskOutputs + 1
  add('mask_decoder.iou_token.weight', 1, hiddenSize)
  add('mask_decoder.mask_tokens.weight', masks, hiddenSize)
  const attention = (path: string, inner: number) => {
    for (const part of ['q_proj', 'k_proj', 'v_proj']) addLinear(add, `${path}.${part}`, inner, hiddenSize)
    addLinear(add, `${path}.out_proj`, hiddenSize, inner)
  }
  const crossSize = hiddenSize / downsampleRate
  for (let layer = 0; layer < decoder.layers; layer++) {
    const path = `mask_decoder.transformer.layers.${layer}`
    attention(`${path}.self_attn`, hiddenSize)
    attention(`${path}.cross_attn_token_to_image`, crossSize)
    attention(`${path}.cross_attn_image_to_token`, crossSize)
    for (let norm = 1; norm <= 4; norm++) addNorm(add, `${path}.layer_norm${norm}`, hiddenSize)
    addLinear(add, `${path}.mlp.lin1`, mlpSize, hiddenSize)
    addLinear(add, `${path}.mlp.lin2`, hiddenSize, mlpSize)
  }
  attention('mask_decoder.transformer.final_attn_token_to_image', crossSize)
  addNorm(add, 'mask_decoder.transformer.layer_norm_final_attn', hiddenSize)
  add('mask_decoder.upscale_conv1.weight', hiddenSize, hiddenSize / 4, 2, 2)
  add('mask_decoder.upscale_conv1.bias', hiddenSize / 4)
  addNorm(add, 'mask_decoder.upscale_layer_norm', hiddenSize / 4)
  add('mask_decoder.upscale_conv2.weight', hiddenSize / 4, hiddenSize / 8, 2, 2)
  add('mask_decoder.upscale_conv2.bias', hiddenSize / 8)
  const feedForward = (path: string, hidden: number, out: number, depth: number) => {
    addLinear(add, `${path}.proj_in`, hidden, hiddenSize)
    for (let layer = 0; layer < depth - 2; layer++) addLinear(add, `${path}.layers.${layer}`, hidden, hidden)
    addLinear(add, `${path}.proj_out`, out, hidden)
  }
  for (let mask = 0; mask < masks; mask++)
    feedForward(`mask_decoder.output_hypernetworks_mlps.${mask}`, hiddenSize, hiddenSize / 8, 3)
  feedForward('mask_decoder.iou_prediction_head', iouHeadSize, masks, iouHeadDepth)
}
