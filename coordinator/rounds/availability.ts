// Decides when an attempt may open: once enough clients are ready, and a settle time later, so that chance at the start does not
// choose the cohort. Pure: elapsed seconds are an argument.

/** The facts while an attempt waits for its clients. */
export interface AvailabilityInput {
  /** Clients of whom `minAvailableClients` must be ready. */
  readonly counted: readonly string[]
  /** Clients that the attempt waits for once enough are ready: the counted clients, and clients that only evaluate. */
  readonly awaited: readonly string[]
  /** Clients that are ready. */
  readonly present: readonly string[]
  readonly minAvailableClients: number
  readonly availabilitySeconds: number
  readonly settleSeconds: number
  /** Clients that the attempt before lost. Beyond the minimum, the attempt does not wait for them. */
  readonly lost: readonly string[]
  /** Seconds since the attempt began to wait, and since enough clients were ready (null: not yet). */
  readonly waited: number
  readonly settled: number | null
}

export type AvailabilityDecision =
  | { readonly kind: 'Open' }
  | { readonly kind: 'Wait'; readonly seconds: number; readonly missing: readonly string[] }
  | { readonly kind: 'Abandon'; readonly missing: readonly string[] }

/** Since when enough clients are ready; `before`: the last answer. The time begins again after there were too few. */
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
