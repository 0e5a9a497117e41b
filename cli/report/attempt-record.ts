// The type of one attempt of a run, as its record stores it. record-facts.ts reads the markers; curves.ts and the tables use them.
import type { Decision, Plan, Receipt, RoundResult } from '#protocol/record.ts'

/** The markers of one closed or abandoned attempt. */
export interface AttemptRecord {
  readonly plan: Plan
  readonly decision: Decision
  /** The receipts of the accepted updates, by client. */
  readonly receipts: ReadonlyMap<string, Receipt>
  /** Undefined unless this attempt made the round's model. */
  readonly result: RoundResult | undefined
}
