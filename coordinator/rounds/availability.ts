// When an attempt may open: enough clients, then a little patience for the rest, so that start-up luck does not choose the
// cohort. Pure: elapsed seconds come in as an argument.

/** What is known while an attempt waits for its clients. */
export interface AvailabilityInput {
  /** Partitions that train; those of them that are there. */
  readonly trainers: readonly string[]
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

export function decideAvailability(input: AvailabilityInput): AvailabilityDecision {
  const missing = input.trainers.filter((name) => !input.present.includes(name))
  if (input.present.length < input.minAvailableClients) {
    const left = input.availabilitySeconds - input.waited
    return left > 0 ? { kind: 'Wait', seconds: left, missing } : { kind: 'Abandon', missing }
  }
  const awaited = missing.filter((name) => !input.lost.includes(name))
  const patience = input.settleSeconds - (input.settled ?? 0)
  if (awaited.length === 0 || patience <= 0) return { kind: 'Open' }
  return { kind: 'Wait', seconds: patience, missing: awaited }
}
