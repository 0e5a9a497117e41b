// Decides when an open attempt ends: all participants have reported, the deadline, or the grace after the quorum. Pure.

/** How far a participant is. Settled: its part has ended without an admitted update. */
export type Standing = 'Pending' | 'Admitted' | 'Settled'

export interface ClosingInput {
  /** Standing of each cohort member, and whether each evaluator outside the cohort has reported or given up. */
  readonly cohort: readonly Standing[]
  readonly evaluators: readonly Standing[]
  readonly quorum: number
  readonly deadlineSeconds: number
  readonly graceSeconds: number | null
  /** Seconds since the attempt opened in this process; since the quorum was reached (null: not yet). */
  readonly elapsed: number
  readonly sinceQuorum: number | null
}

export type ClosingDecision =
  | { readonly kind: 'Wait'; readonly seconds: number }
  | { readonly kind: 'Close' }
  | { readonly kind: 'Abandon' }

export function decideClosing(input: ClosingInput): ClosingDecision {
  const admitted = input.cohort.filter((standing) => standing === 'Admitted').length
  const pending = input.cohort.filter((standing) => standing === 'Pending').length
  // Do not wait for a quorum that can no longer be reached.
  if (admitted + pending < input.quorum) return { kind: 'Abandon' }
  if (pending === 0 && !input.evaluators.includes('Pending')) return { kind: 'Close' }

  const left = input.deadlineSeconds - input.elapsed
  if (left <= 0) return admitted >= input.quorum ? { kind: 'Close' } : { kind: 'Abandon' }
  if (input.graceSeconds === null || input.sinceQuorum === null) return { kind: 'Wait', seconds: left }
  const grace = input.graceSeconds - input.sinceQuorum
  return grace <= 0 ? { kind: 'Close' } : { kind: 'Wait', seconds: Math.min(left, grace) }
}
