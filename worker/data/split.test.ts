// The split's rule on the cases that matter: blocks, gaps, groups, and very few images.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { naturalOrder } from './order.ts'
import { splitStems } from './split.ts'

const numbered = (n: number): string[] => Array.from({ length: n }, (_, i) => `s${i}`)
const sizes = (n: number, heldOutFraction: number): number[] => {
  const { train, heldOut, gap } = splitStems(numbered(n), { heldOutFraction, groupPattern: '' })
  return [train.length, heldOut.length, gap.length]
}

test('names sort as people count', () => {
  const names = ['s10', 's9', 's009', 'a', 's10b', 's1.5', '', 's']
  assert.deepEqual(names.sort(naturalOrder), ['', 'a', 's', 's1.5', 's009', 's9', 's10', 's10b'])
})

test('28 slices at 0.2: two blocks of three in the middle of the halves, one stem dropped on each side', () => {
  const split = splitStems(numbered(28).reverse(), { heldOutFraction: 0.2, groupPattern: '' })
  assert.deepEqual(split.heldOut, ['s5', 's6', 's7', 's19', 's20', 's21'])
  assert.deepEqual(split.gap, ['s4', 's8', 's18', 's22'])
  assert.equal(split.train.length, 18)
})

test('sizes of train, held out and gap', () => {
  const cases: [number, number, number[]][] = [
    [0, 0.2, [0, 0, 0]],
    [1, 0.2, [1, 0, 0]],
    [2, 0.2, [1, 1, 0]],
    [3, 0.2, [2, 1, 0]],
    [4, 0.2, [3, 1, 0]],
    [5, 0.2, [2, 1, 2]],
    [10, 0.2, [6, 2, 2]],
    [100, 0.2, [76, 20, 4]],
    [28, 0, [28, 0, 0]],
    [28, 1, [0, 28, 0]],
    [1, 1, [0, 1, 0]],
    [10, 0.9, [1, 9, 0]],
    [2, 0.99, [1, 1, 0]],
  ]
  for (const [n, fraction, expected] of cases)
    assert.deepEqual(sizes(n, fraction), expected, `${n} at ${fraction}`)
})

test('every stem is in exactly one part, the training part is not empty, and the gap separates the parts', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 80 }),
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      (n, fraction) => {
        const stems = numbered(n)
        const split = splitStems(stems, { heldOutFraction: fraction, groupPattern: '' })
        assert.deepEqual([...split.train, ...split.heldOut, ...split.gap].sort(naturalOrder), stems)
        assert.ok(split.train.length > 0)
        if (split.gap.length === 0) return
        const index = (stem: string): number => stems.indexOf(stem)
        for (const held of split.heldOut) {
          for (const train of split.train) assert.ok(Math.abs(index(held) - index(train)) > 1)
        }
      },
    ),
  )
})

test('groups are never divided, whatever the fraction', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      (patients, fraction) => {
        const stems = patients.map((patient, i) => `p${patient}-${i}`)
        const split = splitStems(stems, { heldOutFraction: fraction, groupPattern: '^(p[0-9])-' })
        const groupsOf = (part: readonly string[]): Set<string> =>
          new Set(part.map((stem) => stem.slice(0, 2)))
        assert.ok(groupsOf(split.train).isDisjointFrom(groupsOf(split.heldOut)))
        assert.equal(split.train.length + split.heldOut.length, stems.length)
        assert.ok(split.train.length > 0)
        assert.equal(split.heldOut.length > 0, new Set(patients).size > 1)
      },
    ),
  )
})

test('ten groups of four at 0.2 hold out two groups, always the same ones', () => {
  const stems = Array.from({ length: 40 }, (_, i) => `p${i % 10}-${i}`)
  const rule = { heldOutFraction: 0.2, groupPattern: '^(p[0-9])-' }
  const split = splitStems(stems, rule)
  assert.equal(split.heldOut.length, 8)
  assert.deepEqual(splitStems(stems.toReversed(), rule), split)
})
