// Samples equal the files on disk; boxes follow the recipe.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderOf, png, specOf } from '#test/given/data-files.ts'
import { randomFrom } from './random.ts'
import { type Box, jitterBox, loadSamples, openSamples, tightBox } from './samples.ts'

test('a sample has its image and the mask of the selected label', async (t) => {
  const folder = await folderOf(t, {
    'images/a.png': png({ width: 2, samples: [9, 8, 7, 6] }),
    'masks/a.png': png({ width: 2, samples: [0, 1, 2, 2] }),
  })
  const [sample] = await loadSamples(specOf({ labels: [2] }), folder, ['a'])
  assert.deepEqual([sample!.stem, sample!.width, sample!.height], ['a', 2, 2])
  assert.deepEqual([...sample!.mask], [0, 0, 1, 1])
  assert.deepEqual([...sample!.image.data], [9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6])
})

test('data that changed after the preflight is named', async (t) => {
  const folder = await folderOf(t, {
    'images/a.png': png({ width: 2, samples: [9, 8] }),
    'masks/a.png': png({ width: 1, samples: [1, 1] }),
    'images/b.png': png({ width: 2, samples: [9, 8] }),
    'masks/b.png': png({ width: 2, samples: [1, 1] }),
    'images/c.png': 'no picture',
    'masks/c.png': png({ width: 2, samples: [1, 1] }),
  })
  const load = await openSamples(specOf(), folder)
  await rm(join(folder, 'masks/b.png'))
  const cases = {
    a: /masks\/a\.png: 1x2 pixels, but its image has 2x1/,
    b: /masks\/b\.png/,
    c: /images\/c\.png is neither/,
    d: /^d is no longer in data$/,
  }
  for (const [stem, message] of Object.entries(cases)) {
    await assert.rejects(load(stem), { code: 'BadData', message })
  }
})

test('the tight box is the smallest and largest pixel index; an empty mask has none', () => {
  assert.deepEqual(tightBox(Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0), 4), [1, 1, 2, 2])
  // The first row is the widest on the right, the last on the left.
  assert.deepEqual(tightBox(Uint8Array.of(0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0), 4), [0, 0, 3, 2])
  assert.deepEqual(tightBox(Uint8Array.of(1), 1), [0, 0, 0, 0])
  assert.equal(tightBox(new Uint8Array(6), 3), undefined)
})

test('jitter moves each side outwards by 0 to pixels − 1, clipped to the picture, the same for a seed', () => {
  const box: Box = [50, 60, 70, 80]
  const size = { width: 200, height: 300 }
  const random = randomFrom('jitter')
  const moved = Array.from({ length: 500 }, () => jitterBox(box, 20, random, size))
  const moves = moved.map(([x1, y1, x2, y2]) => [50 - x1, 60 - y1, x2 - 70, y2 - 80])
  for (const side of [0, 1, 2, 3]) {
    const values = moves.map((move) => move[side]!)
    assert.deepEqual([Math.min(...values), Math.max(...values)], [0, 19])
  }
  assert.deepEqual(jitterBox(box, 20, randomFrom('jitter'), size), moved[0])
  assert.deepEqual(
    jitterBox([0, 0, 99, 99], 1000, randomFrom('clip'), { width: 100, height: 100 }),
    [0, 0, 100, 100],
  )
  assert.deepEqual(jitterBox(box, 0, random, size), box)
})
