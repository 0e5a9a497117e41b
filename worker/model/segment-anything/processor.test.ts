// The processor against Hugging Face's own results on four picture sizes, and its rules on small cases.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import {
  type Box,
  fitLongestSide,
  lowResolutionMask,
  postprocessLogits,
  postprocessMask,
  preprocess,
  processorFrom,
  scaleBox,
} from './processor.ts'
import { resizeAntialiased, resizeNearest } from './resize.ts'

const CASES = ['128x128', '200x80', '53x37', '96x150']
const golden = new Map<string, Tensor>(
  readSafetensors(
    readFileSync(new URL('../../../test/golden/sam/processor/image.safetensors', import.meta.url)),
  ).map((tensor) => [tensor.name, tensor]),
)
const tiny = processorFrom({ size: { longest_edge: 128 }, pad_size: { height: 128, width: 128 } })

function bytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(golden.get(name)!.data)
}
function floats(name: string): Float32Array {
  return new Float32Array(bytes(name).buffer)
}
function doubles(name: string): Float64Array {
  return new Float64Array(bytes(name).buffer)
}
function furthest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length)
  let worst = 0
  for (let i = 0; i < actual.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!))
  return worst
}

for (const name of CASES) {
  const [height, width] = golden.get(`${name}/image_u8`)!.shape as [number, number]
  const input = preprocess({ width, height, data: bytes(`${name}/image_u8`) }, tiny)

  test(`${name}: pixel values are Hugging Face's`, () => {
    assert.equal(furthest(input.pixelValues, floats(`${name}/default/pixel_values`)), 0)
    assert.deepEqual(input.original, [height, width])
    const reshaped = new BigInt64Array(bytes(`${name}/reshaped_input_sizes`).buffer)
    assert.deepEqual(input.reshaped, [...reshaped].map(Number))
  })

  test(`${name}: boxes scale by each axis's own factor`, () => {
    const box = [...doubles(`${name}/input_boxes_in`)] as unknown as Box
    const scaled = scaleBox(box, input.original, input.reshaped)
    assert.ok(furthest(scaled, doubles(`${name}/input_boxes`)) < 1e-9)
  })

  test(`${name}: masks come back as Hugging Face's`, () => {
    const logits = floats(`${name}/low_res`)
    const whole = postprocessLogits(logits, input, tiny)
    assert.ok(furthest(whole, floats(`${name}/default/post_logits`)) < 1e-5)
    assert.deepEqual(postprocessMask(logits, input, tiny), bytes(`${name}/default/post_binary`))
  })
}

test('the ground truth is where the model sees the picture: resized by nearest, padded right and below', () => {
  const mask = new Uint8Array(6 * 3).fill(1)
  const low = lowResolutionMask({ width: 6, height: 3, mask }, tiny, 4)
  assert.deepEqual([...low], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
})

test('nearest takes the pixel under the centre and mixes no values', () => {
  assert.deepEqual([...resizeNearest(Uint8Array.of(1, 2, 3, 4, 5), [1, 5], [1, 3])], [1, 3, 5])
  assert.deepEqual([...resizeNearest(Uint8Array.of(7, 9), [1, 2], [1, 5])], [7, 7, 9, 9, 9])
})

test('resizing keeps a flat picture flat', () => {
  const flat = new Uint8Array(50 * 30 * 3).fill(200)
  assert.ok(resizeAntialiased(flat, [50, 30], [17, 41], 3).every((value) => value === 200))
})

test('the longest side is fitted and the other rounds half up, never to nothing', () => {
  assert.deepEqual(fitLongestSide([200, 80], 128), [128, 51])
  assert.deepEqual(fitLongestSide([1, 1000], 128), [1, 128])
})

test('a configuration is read with defaults, nested or not', () => {
  assert.deepEqual(processorFrom({}), {
    longestEdge: 1024,
    side: 1024,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    rescaleFactor: 1 / 255,
  })
  assert.equal(processorFrom({ image_processor: { size: { longest_edge: 256 } } }).side, 256)
  assert.deepEqual(processorFrom({ do_normalize: false, do_rescale: false }).std, [1, 1, 1])
})

test('an unsupported configuration is rejected by field', () => {
  const refused: [unknown, RegExp][] = [
    [{ size: { height: 224, width: 224 } }, /size\.longest_edge/],
    [{ resample: 3 }, /resample/],
    [{ do_resize: false }, /do_resize/],
    [{ image_std: [0.2, 0, 0.2] }, /image_std/],
    [{ pad_size: { height: 1024, width: 512 } }, /pad_size: 1024x512/],
    [{ size: { longest_edge: 1024 }, pad_size: { height: 512, width: 512 } }, /pad_size: 512x512/],
    [null, /content/],
  ]
  for (const [config, message] of refused) {
    assert.throws(() => processorFrom(config), { code: 'BadCheckpoint', message })
  }
})
