// Configurations: an absent field has Hugging Face's default, and a model that cannot be computed exactly is rejected by field.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { goldenFolder } from '#test/fidelity/golden.ts'
import { parseSamConfig } from './config.ts'
import { tensorShapes } from './tensor-names.ts'

const count = (json: unknown, prefix = '') =>
  [...tensorShapes(parseSamConfig(json))]
    .filter(([name]) => name.startsWith(prefix))
    .reduce((sum, [, shape]) => sum + shape.reduce((product, side) => product * side, 1), 0)

// Positional buffers are no parameters: 2 × num_pos_feats.
const PARAMETERS: [string, object, number][] = [
  ['sam-vit-base', {}, 93_735_472 + 256],
  [
    'sam-vit-large',
    vision({
      hidden_size: 1024,
      num_hidden_layers: 24,
      num_attention_heads: 16,
      global_attn_indexes: [5, 11, 17, 23],
    }),
    312_342_832 + 256,
  ],
  [
    'sam-vit-huge',
    vision({
      hidden_size: 1280,
      num_hidden_layers: 32,
      num_attention_heads: 16,
      global_attn_indexes: [7, 15, 23, 31],
    }),
    641_090_608 + 256,
  ],
  ['slimsam-77-uniform', vision({ hidden_size: 168, mlp_dim: 696 }), 9_723_528 + 256],
  ['slimsam-50-uniform', vision({ hidden_size: 384, mlp_dim: 1536 }), 27_961_776 + 256],
]

function vision(fields: object): object {
  return { vision_config: fields }
}

for (const [name, json, wanted] of PARAMETERS)
  test(`${name} has its published number of parameters`, () => assert.equal(count(json), wanted))

test('the parts of sam-vit-base have their known sizes', () => {
  assert.equal(count({}, 'vision_encoder.'), 89_670_912)
  assert.equal(count({}, 'prompt_encoder.'), 6_220)
  assert.equal(count({}, 'mask_decoder.'), 4_058_340)
})

test('a file of the reference is read in full', () => {
  const json = JSON.parse(readFileSync(`${goldenFolder('tiny-b')}/config.json`, 'utf8'))
  const config = parseSamConfig(json)
  assert.equal(config.grid, 16)
  assert.deepEqual(config.vision.globalLayers, [1, 3])
  assert.equal(config.decoder.mlpSize, 128)
  assert.equal(count(json), 469_704)
})

const REFUSED: [unknown, RegExp][] = [
  [null, /it is not an object/],
  [{ model_type: 'sam2' }, /model_type is "sam2" where only "sam" is known/],
  [vision({ hidden_size: '768' }), /vision_config\.hidden_size is "768"/],
  [
    vision({ num_hidden_layers: 0 }),
    /vision_config\.num_hidden_layers is 0 where a whole number from 1 to 1024/,
  ],
  [vision({ num_hidden_layers: 1e8 }), /vision_config\.num_hidden_layers is 100000000 where/],
  [vision({ mlp_ratio: 1e9 }), /vision_config\.mlp_dim is 768000000000 where/],
  [vision({ global_attn_indexes: new Array(1025).fill(1) }), /global_attn_indexes is \[1,1,.{74}…\.$/],
  [vision({ use_rel_pos: false }), /vision_config\.use_rel_pos is false where only true is known/],
  [vision({ image_size: 100 }), /image size 100 is no multiple of patch size 16/],
  [vision({ output_channels: 128 }), /output_channels differ/],
  [vision({ hidden_size: 770 }), /no multiple of its attention heads/],
  [vision({ global_attn_indexes: [-1] }), /global_attn_indexes is \[-1\]/],
  [{ mask_decoder_config: { hidden_act: 'gelu' } }, /mask_decoder_config\.hidden_act is "gelu"/],
  [{ mask_decoder_config: { attention_downsample_rate: 3 } }, /does not divide into its heads/],
]
for (const [json, message] of REFUSED)
  test(`rejected: ${JSON.stringify(json).slice(0, 80)}`, () =>
    assert.throws(() => parseSamConfig(json), { code: 'BadCheckpoint', message }))

test('every count has an upper bound', () => {
  const parts = {
    vision_config: [
      'hidden_size',
      'num_hidden_layers',
      'num_attention_heads',
      'mlp_dim',
      'image_size',
      'patch_size',
      'window_size',
      'output_channels',
    ],
    prompt_encoder_config: ['mask_input_channels'],
    mask_decoder_config: [
      'hidden_size',
      'num_hidden_layers',
      'num_attention_heads',
      'mlp_dim',
      'attention_downsample_rate',
      'num_multimask_outputs',
      'iou_head_depth',
      'iou_head_hidden_dim',
    ],
  }
  for (const [part, names] of Object.entries(parts)) {
    for (const name of names) {
      const message = new RegExp(
        `${part}\\.${name} is 100000000 where a whole number from 1 to \\d+ is needed`,
      )
      assert.throws(() => parseSamConfig({ [part]: { [name]: 1e8 } }), { code: 'BadCheckpoint', message })
    }
  }
})
