// Decides which images are trained on and which are held out. Pure, and independent of any seed: a partition keeps its held-out
// images through every run, round and restart, so that its numbers can be compared.
import { sha256 } from '#protocol/digest.ts'
import { groupStems } from './group-pattern.ts'
import { naturalOrder } from './order.ts'

/** Stems in natural order. The stems of `gap` are in neither part. */
export interface Split {
  readonly train: readonly string[]
  readonly heldOut: readonly string[]
  readonly gap: readonly string[]
}

/** Blocks that are held out, where there are images enough, and stems that are dropped on each side of a block. */
const BLOCKS = 2
const GAP = 1

/**
 * Splits stems by `heldOutFraction` (0 to 1).
 * Without `groupPattern`: round(n·fraction) stems, at least one of two, in two contiguous blocks, each in the middle of
 * one half of the sorted stems; below four held-out stems one block in the middle. One stem on each side of a block is
 * dropped. Neighbouring slices look alike, so blocks with a gap keep the evaluation honest; two blocks see both halves
 * of a volume, where one would see its middle alone, and cost only two stems more. The gap is left out where fewer stems
 * would remain to train on than it drops. 28 stems at 0.2: 6 held out, 4 dropped, 18 to train on.
 * With `groupPattern` (its one capture group names the group, say the patient): whole groups, in the order of the hash
 * of their name, as long as each brings the held-out count nearer to n·fraction; at least one group on each side.
 * A single stem or group is trained on unless the fraction is 1.
 * Throws FedsamError BadData for a pattern that cannot be used, or stems that it does not match.
 */
export function splitStems(
  stems: readonly string[],
  rule: { readonly heldOutFraction: number; readonly groupPattern: string },
): Split {
  const sorted = [...stems].sort(naturalOrder)
  const fraction = rule.heldOutFraction
  const groups = rule.groupPattern === '' ? undefined : groupStems(sorted, rule.groupPattern)
  if (fraction <= 0 || sorted.length === 0) return { train: sorted, heldOut: [], gap: [] }
  if (fraction >= 1) return { train: [], heldOut: sorted, gap: [] }
  return groups === undefined ? splitBlocks(sorted, fraction) : splitGroups(sorted, groups, fraction)
}

function splitBlocks(sorted: readonly string[], fraction: number): Split {
  const n = sorted.length
  const count = Math.min(Math.max(Math.round(n * fraction), 1), n - 1)
  const blocks = heldOutBlocks(n, count)
  const held = new Set<number>()
  const beside = new Set<number>()
  for (const [from, to] of blocks) {
    for (let i = from - GAP; i < to + GAP; i++) {
      if (i >= from && i < to) held.add(i)
      else if (i >= 0 && i < n) beside.add(i)
    }
  }
  const dropped = [...beside].filter((i) => !held.has(i))
  const gap = new Set(n - held.size - dropped.length >= dropped.length ? dropped : [])
  return {
    train: sorted.filter((_, i) => !held.has(i) && !gap.has(i)),
    heldOut: sorted.filter((_, i) => held.has(i)),
    gap: sorted.filter((_, i) => gap.has(i)),
  }
}

/** Half-open index ranges: the n stems in equal segments, in the middle of each its share of `count`. */
function heldOutBlocks(n: number, count: number): [number, number][] {
  const blocks = count >= 2 * BLOCKS ? BLOCKS : 1
  return Array.from({ length: blocks }, (_, i) => {
    const start = Math.floor((i * n) / blocks)
    const end = Math.floor(((i + 1) * n) / blocks)
    const share = Math.floor(((i + 1) * count) / blocks) - Math.floor((i * count) / blocks)
    const from = start + Math.floor((end - start - share) / 2)
    return [from, from + share]
  })
}

function splitGroups(
  sorted: readonly string[],
  groups: ReadonlyMap<string, readonly string[]>,
  fraction: number,
): Split {
  const order = [...groups.keys()]
    .map((name) => ({ name, rank: sha256(name) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
  const target = sorted.length * fraction
  const held = new Set<string>()
  let taken = 0
  for (const { name } of order.slice(0, -1)) {
    const members = groups.get(name)!
    const nearer = Math.abs(taken + members.length - target) < Math.abs(taken - target)
    if (!nearer && held.size > 0) continue
    taken += members.length
    for (const stem of members) held.add(stem)
  }
  return {
    train: sorted.filter((stem) => !held.has(stem)),
    heldOut: sorted.filter((stem) => held.has(stem)),
    gap: [],
  }
}
