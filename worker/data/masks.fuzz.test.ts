// Any bytes as a mask: it is decoded, or refused as BadData, within the bounds of test/fuzz.ts.
import { crc32, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { GREY, PALETTE, png, pngHeader, RGB } from '#test/given/data-files.ts'
import { decodeMask, selectLabels } from './masks.ts'

const picture = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    rows: fc.integer({ min: 1, max: 40 }),
    depth: fc.constantFrom(1, 2, 4, 8, 16),
    colour: fc.constantFrom(GREY, RGB, PALETTE),
    interlaced: fc.boolean(),
    value: fc.integer({ min: 0, max: 65_535 }),
  })
  .map(({ width, rows, depth, colour, interlaced, value }) =>
    png({
      width,
      samples: new Array(width * rows * (colour === RGB ? 3 : 1)).fill(value % 2 ** depth),
      depth: depth as 8,
      colour,
      interlaced,
    }),
  )

/** A PNG that is whole, has another size in its header, or has bytes changed and an end cut off. */
const file = fc.oneof(
  picture,
  fc
    .tuple(picture, fc.integer({ min: 0, max: 4e9 }), fc.integer({ min: 0, max: 100 }))
    .map(([bytes, width, height]) => {
      pngHeader(bytes, { width, height })
      return bytes
    }),
  fc
    .tuple(picture, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 9 }), fc.nat(400))
    .map(([bytes, changes, cut]) => {
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes.subarray(0, Math.max(bytes.length - cut, 0))
    }),
  fc.uint8Array({ maxLength: 200 }),
)

/** A PNG of 8x8 pixels with this compressed content. */
function withContent(content: Uint8Array): Buffer {
  const plain = png({ width: 8, samples: new Array(64).fill(1) })
  const body = Buffer.concat([Buffer.from('IDAT'), content])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(content.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([
    plain.subarray(0, 33),
    frame.subarray(0, 4),
    body,
    frame.subarray(4),
    plain.subarray(-12),
  ])
}

fuzz('a mask file', {
  input: file,
  // 50 kB that unfold to 50 MB.
  examples: [withContent(deflateSync(Buffer.alloc(5e7))), withContent(Buffer.alloc(0))],
  read: (content) => selectLabels(decodeMask(content), [1]),
})
