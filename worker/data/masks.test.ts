// Decoded mask values equal the saved ones, at every bit depth; an ambiguous mask is rejected.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { folderOf, PALETTE, png, pngHeader, RGB } from '#test/given/data-files.ts'
import { peakBytes } from '#test/peak-memory.ts'
import { decodeMask, selectLabels } from './masks.ts'

test('values survive at every depth, grey or palette, with rows that do not fill their last byte', () => {
  for (const depth of [1, 2, 4, 8, 16] as const) {
    for (const colour of depth === 16 ? [0] : [0, PALETTE]) {
      const top = Math.min(2 ** depth - 1, 300)
      const samples = [0, 1, top, 1, 0, top, top, top, 0, 1, 1, 1, 0, 0, 1, 0, top, 0]
      const map = decodeMask(png({ width: 9, samples, depth, colour }))
      assert.deepEqual(
        [map.width, map.height, [...map.values]],
        [9, 2, samples],
        `${depth} bits, colour type ${colour}`,
      )
    }
  }
})

test('a colour file whose channels agree is grey', () => {
  assert.deepEqual(
    [...decodeMask(png({ width: 2, samples: [5, 5, 5, 0, 0, 0], colour: RGB })).values],
    [5, 0],
  )
})

test('labels select values; with none, every non-zero one is the object', () => {
  const map = { width: 4, height: 1, values: Uint16Array.of(0, 1, 2, 700), offset: 0 } as const
  assert.deepEqual([...selectLabels(map, [])], [0, 1, 1, 1])
  assert.deepEqual([...selectLabels(map, [2])], [0, 0, 1, 0])
  assert.deepEqual([...selectLabels(map, [700, 0])], [1, 0, 0, 1])
})

test('a mask with ambiguous labels is rejected with the reason', async () => {
  const jpeg = await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .jpeg()
    .toBuffer()
  const noisy = png({ width: 64, samples: Array.from({ length: 4096 }, (_, i) => (i * i) % 251) })
  const flipped = Buffer.from(noisy)
  flipped[noisy.length - 40]! ^= 1
  const cases: [Uint8Array, RegExp][] = [
    [jpeg, /is a JPEG, whose lossy compression/],
    [Buffer.from('BM'), /is not a PNG/],
    [png({ width: 1, samples: [1, 2, 3], colour: RGB }), /is a colour picture/],
    [png({ width: 1, samples: [1, 1, 3], colour: RGB }), /is a colour picture/],
    [png({ width: 1, samples: [1, 3, 1], colour: RGB }), /is a colour picture/],
    [
      png({ width: 8, samples: [0, 1, 0, 1, 0, 1, 0, 1], depth: 1, interlaced: true }),
      /is an interlaced PNG/,
    ],
    [noisy.subarray(0, noisy.length / 2), /cannot be read as PNG/],
    [flipped, /cannot be read as PNG/],
  ]
  for (const [content, message] of cases) {
    assert.throws(() => decodeMask(content), { code: 'BadData', message })
  }
})

test('compressed pixels that unfold to more than the header says are refused before they are kept', async (t) => {
  const bomb = png({ width: 8192, samples: new Array(8192 * 1024).fill(1) })
  pngHeader(bomb, { width: 8, height: 8 })
  assert.throws(() => decodeMask(bomb), { code: 'BadData', message: /cannot be read as PNG: / })
  const folder = await folderOf(t, { 'bomb.png': bomb })
  const taken = await peakBytes(
    `import { readFileSync } from 'node:fs'
     import { decodeMask } from '#worker/data/masks.ts'
     const bomb = readFileSync(${JSON.stringify(`${folder}/bomb.png`)})`,
    'try { decodeMask(bomb) } catch {}',
  )
  // Unfolded it has 8 MiB, and the copies of a decoder come on top.
  assert.ok(taken < 6 * 2 ** 20, `${taken} bytes`)
})

test('texts, profiles and palettes of a mask are not read', () => {
  const plain = png({ width: 1, samples: [7] })
  const text = Buffer.from('\0\0\0\u0004tEXtnope', 'latin1')
  const file = Buffer.concat([plain.subarray(0, 33), text, Buffer.alloc(4), plain.subarray(33)])
  assert.deepEqual([...decodeMask(file).values], [7])
})

test('an interlaced mask of any size is read, and one without all of its pixels is refused', async () => {
  for (const [width, height] of [
    [1, 1],
    [3, 5],
    [8, 8],
    [9, 17],
  ] as const) {
    const values = Array.from({ length: width * height }, (_, i) => (i * 7) % 251)
    const raw = { width, height, channels: 1 } as const
    const file = await sharp(Buffer.from(values), { raw })
      .toColourspace('b-w')
      .png({ progressive: true })
      .toBuffer()
    assert.deepEqual([...decodeMask(file).values], values, `${width}x${height}`)
    const taller = Buffer.from(file)
    pngHeader(taller, { width, height: height + 8 })
    assert.throws(() => decodeMask(taller), {
      code: 'BadData',
      message: /its pixels have \d+ bytes in place of \d+/,
    })
  }
  const plain = png({ width: 4, samples: [1, 2, 3, 4] })
  pngHeader(plain, { width: 4, height: 2 })
  assert.throws(() => decodeMask(plain), { message: /its pixels have 5 bytes in place of 10/ })
})
