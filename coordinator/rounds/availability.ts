// When an attempt may open: enough clients, then a little patience for the rest, so that start-up luck does not choose the
// cohort. Pure: elapsed seconds come in as an argument.

/** What is known while an attempt waits for its clients. */
export interface AvailabilityInput {
  /** Clients of whom enough must be there. */
  readonly counted: readonly string[]
  /** Clients that the attempt waits for once enough are there: the counted ones, and those that only evaluate. */
  readonly awaited: readonly string[]
  /** Clients that are there. */
  readonly present: readonly string[]
  readonly minAvailableClients: number
  readonly availabilitySeconds: number
  readonly settleSeconds: number
  /** Clients that were lost in the attempt before: nobody waits for them beyond the minimum. */
  readonly lost: readonly string[]
  /** Seconds since the attempt began to wait, and since enough were there (null: not yet). */
  readonly waited: number
  readonly settled: number | null
}

export type AvailabilityDecision =
  | { readonly kind: 'Open' }
  | { readonly kind: 'Wait'; readonly seconds: number; readonly missing: readonly string[] }
  | { readonly kind: 'Abandon'; readonly missing: readonly string[] }

/** Since when enough are there, after `before` (null: not so far): a client that leaves too few begins the time again. */
export function enoughSince(before: number | null, isEnough: boolean, now: number): number | null {
  return isEnough ? (before ?? now) : null
}

export function decideAvailability(input: AvailabilityInput): AvailabilityDecision {
  const absent = (names: readonly string[]): string[] => names.filter((name) => !input.present.includes(name))
  const missing = absent(input.counted)
  if (input.counted.length - missing.length < input.minAvailableClients) {
    const left = input.availabilitySeconds - input.waited
    return left > 0 ? { kind: 'Wait', seconds: left, missing } : { kind: 'Abandon', missing }
  }
  const awaited = absent(input.awaited).filter((name) => !input.lost.includes(name))
  const patience = input.settleSeconds - (input.settled ?? 0)
  if (awaited.length === 0 || patience <= 0) return { kind: 'Open' }
  return { kind: 'Wait', seconds: patience, missing: awaited }
}
