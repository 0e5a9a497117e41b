// What the demo claims, as a check over seeds: every claim must hold with every seed. Pure.
import type { Gains } from './comparison.ts'

/** A difference in mean Dice that counts. */
const MARGIN = 0.03

interface Claim {
  readonly says: string
  holds(gains: Gains): boolean
}

const CLAIMS: readonly Claim[] = [
  {
    says: `federated beats the pretrained model by at least ${MARGIN}`,
    holds: ({ overPretrained }) => overPretrained >= MARGIN,
  },
  {
    says: `federated beats the ellipse by at least ${MARGIN}`,
    holds: ({ overEllipse }) => overEllipse >= MARGIN,
  },
  {
    says: `federated is within ${MARGIN} of centralised training`,
    holds: ({ overCentralised }) => Math.abs(overCentralised) <= MARGIN,
  },
]

export interface Verdict {
  readonly claim: string
  readonly seeds: number
  /** Seeds with which it does not hold. */
  readonly failed: readonly number[]
}

/** One verdict a claim. */
export function judge(runs: readonly { readonly seed: number; readonly gains: Gains }[]): Verdict[] {
  return CLAIMS.map(({ says, holds }) => ({
    claim: says,
    seeds: runs.length,
    failed: runs.filter(({ gains }) => !holds(gains)).map(({ seed }) => seed),
  }))
}

/** "holds with 3 of 3 seeds: …" */
export function verdictLine({ claim, seeds, failed }: Verdict): string {
  const held = seeds - failed.length
  const without = failed.length === 0 ? '' : ` (not with ${failed.join(', ')})`
  return `${failed.length === 0 ? 'holds' : 'FAILS'} with ${held} of ${seeds} seeds${without}: ${claim}`
}
