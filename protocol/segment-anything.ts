// Which tensors of a SAM checkpoint travel, by what `segmentAnything.train` names. The coordinator cuts the initial
// parameters out of the base with this rule; the trainer sends back exactly the same list.

/** The two names in files of the positional encoding's random matrix: both mean the same tensor. */
export const POSITIONAL = 'shared_image_embedding.positional_embedding'
export const POSITIONAL_ALIAS = 'prompt_encoder.shared_embedding.positional_embedding'

/** Parts of SAM that may train. */
export type TrainablePart = 'MaskDecoder' | 'PromptEncoder' | 'VisionEncoder'

// Single-mask training never moves the IoU head (no gradient) and the hypernetworks of masks 1 to 3 (exact zeros).
const RULES: Readonly<Record<TrainablePart, (name: string) => boolean>> = {
  MaskDecoder: (name) =>
    name.startsWith('mask_decoder.') &&
    !/\.(iou_prediction_head|output_hypernetworks_mlps\.[123])\./.test(name),
  PromptEncoder: (name) => name.startsWith('prompt_encoder.') && !name.includes('.shared_embedding.'),
  VisionEncoder: (name) => name.startsWith('vision_encoder.'),
}

/** The names that travel, sorted. `names` are a checkpoint's tensor names under Hugging Face's scheme. */
export function exchangedTensors(parts: readonly TrainablePart[], names: readonly string[]): string[] {
  return names.filter((name) => parts.some((part) => RULES[part](name))).sort()
}
