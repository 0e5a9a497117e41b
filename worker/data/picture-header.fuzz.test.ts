// Any bytes as a picture: the header is read, or the file is refused as BadData, within the bounds of test/fuzz.ts.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { png } from '#test/given/data-files.ts'
import { readPictureHeader } from './picture-header.ts'

const whole = png({ width: 5, samples: [1, 2, 3, 4, 5] })

/** A PNG with some bytes of its header changed, cut anywhere. */
const brokenPng = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }),
    fc.integer({ min: 0, max: whole.length }),
  )
  .map(([changes, length]) => {
    const bytes = Uint8Array.from(whole)
    for (const [at, value] of changes) bytes[at] = value
    return bytes.subarray(0, length)
  })

const segment = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 20 }), fc.integer({ min: -3, max: 3 }))
  .map(([marker, content, error]) => {
    const length = Math.max(content.length + 2 + error, 0)
    return [0xff, marker, length >> 8, length & 0xff, ...content]
  })
const jpeg = fc
  .array(fc.oneof(segment, fc.constant([0xff]), fc.constant([0xff, 0xd0])), { maxLength: 30 })
  .map((segments) => Uint8Array.from([0xff, 0xd8, ...segments.flat()]))

fuzz('the header of a PNG', {
  input: fc.oneof(brokenPng, fc.uint8Array({ maxLength: 100 })),
  examples: [Uint8Array.from(whole), whole.subarray(0, 8), new Uint8Array(0)],
  read: readPictureHeader,
})

fuzz('the header of a JPEG', {
  input: fc.oneof(jpeg, fc.uint8Array({ maxLength: 100 })),
  // The longest walks: fill bytes, bare markers, and segments of no length.
  examples: [
    new Uint8Array(1e6).fill(0xff).fill(0xd8, 1, 2),
    Uint8Array.from({ length: 1e6 }, (_, i) => (i % 2 === 0 ? 0xff : 0xd8)),
    Uint8Array.from(
      { length: 1e6 },
      (_, i) => (i < 2 ? [0xff, 0xd8] : [0xff, 0xe0, 0, 0])[i < 2 ? i : (i - 2) % 4]!,
    ),
  ],
  read: readPictureHeader,
})
