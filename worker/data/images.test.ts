// Images become upright 8-bit RGB, and what cannot be read says why.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { PALETTE, png, RGB } from './example-files.ts'
import { decodeImage } from './images.ts'

test('grey, 1-bit, 16-bit, palette and colour PNGs become RGB', async () => {
  const cases: [Buffer, number[]][] = [
    [png({ width: 2, samples: [0, 200] }), [0, 0, 0, 200, 200, 200]],
    [png({ width: 2, samples: [1, 0], depth: 1 }), [255, 255, 255, 0, 0, 0]],
    [png({ width: 2, samples: [0xff00, 0x8012], depth: 16 }), [255, 255, 255, 128, 128, 128]],
    [png({ width: 2, samples: [0, 1], colour: PALETTE }), [0, 37, 74, 111, 148, 185]],
    [png({ width: 1, samples: [1, 2, 3], colour: RGB }), [1, 2, 3]],
  ]
  for (const [file, expected] of cases) assert.deepEqual([...(await decodeImage(file)).data], expected)
})

test('transparency is dropped, not blended', async () => {
  const file = await sharp(Buffer.from([10, 20, 30, 0]), { raw: { width: 1, height: 1, channels: 4 } })
    .png()
    .toBuffer()
  assert.deepEqual([...(await decodeImage(file)).data], [10, 20, 30])
})

test('EXIF orientation is applied: a picture stored on its side comes out upright', async () => {
  const stored = sharp(Buffer.alloc(16 * 8 * 3, 90), { raw: { width: 16, height: 8, channels: 3 } })
  const file = await stored.jpeg().withMetadata({ orientation: 6 }).toBuffer()
  const image = await decodeImage(file)
  assert.deepEqual([image.width, image.height, image.data.length], [8, 16, 16 * 8 * 3])
})

test('what cannot be read says why', async () => {
  const jpeg = await sharp(Buffer.alloc(64 * 64 * 3, 7), { raw: { width: 64, height: 64, channels: 3 } })
    .jpeg()
    .toBuffer()
  const noisy = png({ width: 64, samples: Array.from({ length: 4096 }, (_, i) => (i * i) % 251) })
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from('GIF89a'), /is neither a PNG nor a JPEG picture/],
    [Buffer.alloc(0), /is neither a PNG nor a JPEG picture/],
    [noisy.subarray(0, noisy.length / 2), /cannot be read as PNG/],
    [jpeg.subarray(0, jpeg.length / 2), /cannot be read as JPEG/],
  ]
  for (const [content, message] of cases) {
    await assert.rejects(decodeImage(content), (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, 'BadData')
      assert.match(error.message, message)
      return error.remedy !== ''
    })
  }
})
