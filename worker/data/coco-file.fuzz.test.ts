// Any text as a COCO file: it is read and drawn, or refused as BadData, within the bounds of test/fuzz.ts.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { drawObjects } from './coco.ts'
import { parseCoco } from './coco-file.ts'

const id = fc.oneof(
  fc.integer({ min: -2, max: 4 }),
  fc.constantFrom('1', '2', 'x', '', null, 1.5, 1e300, [1], {}),
)
const side = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(0, -1, 4e9, 1e300, 0.5, '5', null))
const coordinate = fc.oneof(
  fc.double({ min: -1e3, max: 1e3, noNaN: true }),
  fc.constantFrom(0, -1e308, 1e308, 1e-320, null, '1'),
)
const polygon = fc.array(coordinate, { maxLength: 40 })
const count = fc.oneof(fc.integer({ min: -2, max: 99_999 }), fc.constantFrom(2 ** 53, 1e300, null))
const segmentation = fc.oneof(
  fc.array(polygon, { maxLength: 5 }),
  fc.record({
    size: fc.oneof(fc.array(side, { maxLength: 3 }), fc.constant(null)),
    counts: fc.oneof(fc.array(count, { maxLength: 9 }), fc.string({ unit: 'binary-ascii', maxLength: 40 })),
  }),
  fc.anything({ maxDepth: 2 }),
)
const image = fc.record(
  { id, file_name: fc.oneof(fc.string({ maxLength: 300 }), fc.constant(null)), width: side, height: side },
  { requiredKeys: [] },
)
const annotation = fc.record(
  { id, image_id: id, category_id: id, segmentation, iscrowd: fc.constantFrom(0, 1, '1', null) },
  { requiredKeys: [] },
)
const content = fc.record(
  {
    images: fc.oneof(fc.array(fc.oneof(image, fc.anything({ maxDepth: 1 })), { maxLength: 6 }), id),
    annotations: fc.oneof(fc.array(fc.oneof(annotation, fc.anything({ maxDepth: 1 })), { maxLength: 9 }), id),
    categories: fc.oneof(fc.array(fc.record({ id }), { maxLength: 4 }), id),
  },
  { requiredKeys: [] },
)
const text = fc.oneof(
  { weight: 8, arbitrary: content.map((value) => JSON.stringify(value) ?? '') },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ maxLength: 500 }) },
)

/** Larger images are drawn in coco.test.ts: here their pixels alone would be memory. */
const MOST_DRAWN = 2 ** 17

const zigzag = (points: number): number[] =>
  Array.from({ length: points }, (_, i) => [i % 300, i % 2 === 0 ? 0 : 300]).flat()
const hostile = (segmentation: unknown): string =>
  JSON.stringify({
    images: [{ id: 1, file_name: 'a', width: 300, height: 300 }],
    annotations: [{ image_id: 1, category_id: 1, segmentation }],
  })

fuzz('a COCO file', {
  input: text,
  examples: [
    '['.repeat(100_000),
    `{"images": [], "annotations": ${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
    hostile([zigzag(3000)]),
    hostile([zigzag(20_000)]),
    hostile([[0, -1e308, 1, 1e308, 2, 0]]),
    hostile({ size: [300, 300], counts: 'o'.repeat(100_000) }),
    hostile({ size: [300, 300], counts: new Array(90_000).fill(1) }),
  ],
  read: (given) => {
    const { images, annotations } = parseCoco(given, 'instances.json')
    for (const { id, width, height } of images) {
      const objects = annotations.filter((one) => one.image === id)
      if (width * height <= MOST_DRAWN) drawObjects({ width, height, objects }, [1])
    }
  },
})
