// Images become upright 8-bit RGB, and an unreadable file is an error with the reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { PALETTE, png, RGB } from '#test/given/data-files.ts'
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

/** Made by Pillow 13: blocks of 8x8 pixels of the inks (0, 0, 255, 128), (10, 200, 90, 40) and (255, 30, 0, 0). */
const CMYK = Buffer.from(
  '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgS' +
    'FBUU/8AAFAgACAAYBEMRAE0RAFkRAEsRAP/EABkAAQACAwAAAAAAAAAAAAAAAAkICgIFB//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMATQBZ' +
    'AEsAAD8AVMqYqmDSK9JuE61XI4yeDtb/2Q==',
  'base64',
)

test('CMYK becomes RGB as in Pillow, with an Adobe marker, without, and as YCCK', async () => {
  const ycck = Buffer.from(CMYK)
  ycck[17] = 2
  const unmarked = Buffer.concat([CMYK.subarray(0, 2), CMYK.subarray(18)])
  // The pixels that Pillow 13 gives at the middle of each block: Image.open(file).convert('RGB').
  const plain = [127, 127, 0, 207, 46, 139, 0, 225, 255]
  const cases: [Buffer, number[]][] = [
    [CMYK, plain],
    [unmarked, plain],
    [ycck, [89, 0, 0, 0, 9, 117, 77, 255, 83]],
  ]
  for (const [file, expected] of cases) {
    const { data, width } = await decodeImage(file)
    const middles = [3, 11, 19].flatMap((x) => [
      ...data.subarray(3 * (4 * width + x), 3 * (4 * width + x) + 3),
    ])
    const worst = Math.max(...middles.map((level, i) => Math.abs(level - expected[i]!)))
    assert.ok(worst <= 2, `${middles} in place of ${expected}`)
  }
})

test('of 16 bits the high byte is kept, grey or colour, as libvips and Pillow (RGB) do', async () => {
  const samples = [0x00ff, 0x0100, 0x0fff, 0xfffe, 0x80ff, 0x7f80]
  const grey = await decodeImage(png({ width: 6, samples, depth: 16 }))
  assert.deepEqual(
    [...grey.data],
    samples.flatMap((value) => new Array(3).fill(value >> 8)),
  )
  const colour = await decodeImage(png({ width: 2, samples, depth: 16, colour: RGB }))
  assert.deepEqual(
    [...colour.data],
    samples.map((value) => value >> 8),
  )
})

test('a JPEG of 12 bits is rejected with a remedy', async () => {
  const jpeg = await sharp(Buffer.alloc(3), { raw: { width: 1, height: 1, channels: 3 } })
    .jpeg()
    .toBuffer()
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]))
  jpeg[frame + 4] = 12
  await assert.rejects(decodeImage(jpeg), { code: 'BadData', message: /JPEG of 12 bits/, remedy: /PNG/ })
})

test('EXIF orientation is applied: a picture stored on its side comes out upright', async () => {
  const stored = sharp(Buffer.alloc(16 * 8 * 3, 90), { raw: { width: 16, height: 8, channels: 3 } })
  const file = await stored.jpeg().withMetadata({ orientation: 6 }).toBuffer()
  const image = await decodeImage(file)
  assert.deepEqual([image.width, image.height, image.data.length], [8, 16, 16 * 8 * 3])
})

test('an unreadable file is an error with the reason', async () => {
  const jpeg = await sharp(Buffer.alloc(64 * 64 * 3, 7), { raw: { width: 64, height: 64, channels: 3 } })
    .jpeg()
    .toBuffer()
  const noisy = png({ width: 64, samples: Array.from({ length: 4096 }, (_, i) => (i * i) % 251) })
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from('GIF89a'), /is neither a PNG nor a JPEG picture/],
    [Buffer.alloc(0), /^is empty$/],
    [noisy.subarray(0, noisy.length / 2), /^cannot be read as PNG: it is damaged or incomplete$/],
    [noisy.subarray(0, 40), /cannot be read as PNG: it is damaged or incomplete/],
    [jpeg.subarray(0, jpeg.length / 2), /^cannot be read as JPEG: its header is incomplete$/],
  ]
  for (const [content, message] of cases) {
    await assert.rejects(decodeImage(content), (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, 'BadData')
      assert.match(error.message, message)
      return error.remedy !== ''
    })
  }
})
