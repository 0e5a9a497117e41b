// Headers give the size of a picture before a pixel is decoded; a picture that is too large is rejected with a remedy.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { GREY, PALETTE, png, pngHeader, RGB } from '#test/given/data-files.ts'
import { decodeImage } from './images.ts'
import { decodeMask } from './masks.ts'
import { MOST_PIXELS, readPictureHeader } from './picture-header.ts'

/** A JPEG up to its frame header, after these segments. */
function jpegHeader(width: number, height: number, before: readonly number[] = []): Buffer {
  const frame = Buffer.from([0xff, 0xc2, 0, 11, 8, 0, 0, 0, 0, 3, 0, 0, 0])
  frame.writeUInt16BE(height, 5)
  frame.writeUInt16BE(width, 7)
  return Buffer.concat([Buffer.from([0xff, 0xd8, ...before]), frame])
}

test('size, channels and depth of PNG and JPEG files', async () => {
  const cases: [Uint8Array, object][] = [
    [
      png({ width: 3, samples: [1, 0, 1, 1, 1, 1], depth: 1 }),
      { width: 3, height: 2, channels: 1, depth: 1 },
    ],
    [
      png({ width: 1, samples: [1, 2, 3], depth: 16, colour: RGB }),
      { channels: 3, depth: 16, palette: false },
    ],
    [png({ width: 1, samples: [1], depth: 4, colour: PALETTE }), { channels: 1, depth: 4, palette: true }],
    [png({ width: 1, samples: [1], interlaced: true }), { interlaced: true }],
    [jpegHeader(700, 500), { format: 'JPEG', width: 700, height: 500, channels: 3, depth: 8 }],
    // A comment that holds what looks like a frame header, a fill byte, and a restart marker.
    [
      jpegHeader(7, 5, [0xff, 0xfe, 0, 6, 0xff, 0xc0, 0, 11, 0xff, 0xff, 0x01, 0xff, 0xd0]),
      { width: 7, height: 5 },
    ],
    [
      await sharp(Buffer.alloc(18), { raw: { width: 2, height: 3, channels: 3 } })
        .withMetadata({ orientation: 6 })
        .jpeg({ progressive: true })
        .toBuffer(),
      { format: 'JPEG', width: 2, height: 3, channels: 3, depth: 8 },
    ],
  ]
  for (const [content, expected] of cases) assert.partialDeepStrictEqual(readPictureHeader(content), expected)
})

test('a picture that is too large is rejected before it is decoded, with a remedy', async () => {
  assert.equal(MOST_PIXELS, 16_384 * 16_384)
  const most = png({ width: 1, samples: [1] })
  pngHeader(most, { width: 16_384, height: 16_384 })
  assert.equal(readPictureHeader(most).width, 16_384)
  for (const [width, height] of [
    [16_384, 16_385],
    [30_000, 30_000],
    [4e9, 1],
    [4e9, 4e9],
  ] as const) {
    const large = png({ width: 1, samples: [1] })
    pngHeader(large, { width, height })
    const expected = {
      code: 'BadData',
      message: `is too large: ${width}x${height} pixels, and at most 268435456 are read`,
      remedy: 'Cut it into tiles or scale it down, its mask too, or take it away.',
    }
    await assert.rejects(decodeImage(large), expected)
    assert.throws(() => decodeMask(large), expected)
  }
  await assert.rejects(decodeImage(jpegHeader(65_535, 65_535)), {
    message: /is too large: 65535x65535 pixels/,
  })
})

test('a mask whose decoded bytes are too many is refused, though its pixels are not', () => {
  const deep = png({ width: 1, samples: [1], depth: 16, colour: GREY })
  pngHeader(deep, { width: 16_384, height: 16_384 })
  assert.throws(() => decodeMask(deep), {
    code: 'BadData',
    message: /is too large: 16384x16384 pixels of 16 bits, and at most 268435456 bytes are read/,
    remedy: /8 bits/,
  })
})

test('bytes without a valid header are rejected', () => {
  const whole = png({ width: 1, samples: [1] })
  const colour = Buffer.from(whole)
  colour[25] = 5
  const cases: [Uint8Array, RegExp][] = [
    [whole.subarray(0, 20), /cannot be read as PNG: its header is incomplete/],
    [colour, /cannot be read as PNG/],
    [jpegHeader(0, 5), /its header says 0x5 pixels/],
    [jpegHeader(5, 5).subarray(0, 8), /cannot be read as JPEG: its header is incomplete/],
    [Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0]), /cannot be read as JPEG/],
    [Buffer.from([0xff, 0xd8]), /cannot be read as JPEG/],
    [Buffer.from('II*\0'), /is neither a PNG nor a JPEG picture/],
  ]
  for (const [content, message] of cases) {
    assert.throws(() => readPictureHeader(content), { code: 'BadData', message })
  }
})
