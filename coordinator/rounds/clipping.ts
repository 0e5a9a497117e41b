// Decides how far updates are clipped: the bound on their norms from spec.strategy.clipNorm and the norms of updates, and the
// factor of each update. Pure.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { ClosedDecision, RoundResult } from '#protocol/record.ts'

/** `strategy.clipNorm`: exactly one of the two is a number. */
export interface ClipRule {
  /** The bound itself. */
  readonly norm: number | null
  /** The bound as a multiple of the median of the norms of the last rounds. */
  readonly medianMultiple: number | null
}

/** The rule of a job. */
export function clipRuleOf(clipNorm: CompleteFederatedJobSpec['strategy']['clipNorm']): ClipRule | null {
  if (clipNorm === undefined) return null
  const { norm = null, medianMultiple = null } = clipNorm
  return { norm, medianMultiple }
}

/** Training rounds whose norms count for the median. Norms shrink while a model converges, so older ones say little. */
const MEDIAN_ROUNDS = 5

/**
 * The bound C on the norm of the updates of one round; null where nothing is clipped. `past` are the norms of the updates that the
 * last rounds accepted, `present` those of this round. Without past norms, those of this round count. A norm of 0 does not count:
 * the client returned the base.
 */
export function clipBound(
  rule: ClipRule | null,
  past: readonly number[],
  present: readonly number[],
): number | null {
  if (rule === null) return null
  if (rule.norm !== null) return rule.norm
  const moved = past.filter((norm) => norm > 0)
  const median = lowerMedian(moved.length > 0 ? moved : present.filter((norm) => norm > 0))
  return median === null || rule.medianMultiple === null ? null : finite(rule.medianMultiple * median)
}

/** An update counts as base + factor × (update - base). */
export function clipFactor(bound: number | null, norm: number): number {
  return bound === null || norm <= bound ? 1 : bound / norm
}

/** A result of the chain, with its decision. */
interface NormedRound {
  readonly origin: RoundResult['origin']
  readonly decision: ClosedDecision | null
}

/**
 * The norms of accepted updates in the newest training rounds, by round: those that the run has from the run that it continues,
 * then its own.
 */
export function newestNorms(chain: readonly NormedRound[]): number[][] {
  const carried = chain[0]?.origin?.norms ?? []
  const own = chain.filter(({ origin }) => origin === null)
  return [...carried, ...own.map(({ decision }) => normsOf(decision?.updates ?? []))].slice(-MEDIAN_ROUNDS)
}

/** The norms of updates, where they were measured. */
export function normsOf(updates: readonly { readonly norm: number | null }[]): number[] {
  return updates.flatMap(({ norm }) => (norm === null ? [] : [norm]))
}

/** The median; of an even number the lower of the middle two, so that one large norm among two is not the median. */
export function lowerMedian(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[(sorted.length - 1) >> 1] ?? null
}

/** The record holds finite numbers only. */
function finite(value: number): number {
  return Math.min(value, Number.MAX_VALUE)
}
