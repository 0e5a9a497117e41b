// The updates that a decision names: those that were admitted here, and the others read back from their receipts. What was
// admitted and is not named has no part in it.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, PayloadRef } from '#protocol/record.ts'
import { type RunMarkers, readRecord } from '../record/markers.ts'
import { type AdmittedUpdate, payloadOf } from './receipts.ts'

/** An update as the fold takes it. */
export interface DecidedUpdate {
  readonly client: string
  readonly payload: PayloadRef
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
  readonly bytes?: Uint8Array
}

/** Throws RecordDamaged where a receipt is gone or other than decided upon. */
export function updatesOf(
  markers: RunMarkers,
  decision: ClosedDecision,
  admitted: readonly AdmittedUpdate[],
): Promise<DecidedUpdate[]> {
  const known = new Map(admitted.map((update) => [update.receipt.digest, update]))
  return Promise.all(
    decision.updates.map(async ({ client, attempt, receipt, numExamples }) => {
      const here = known.get(receipt)
      if (here !== undefined) return here
      const key = attemptKeys(decision.round, attempt).receipt(client)
      const there = await readRecord(markers.store, 'receipt', key)
      const payload = there?.digest === receipt ? payloadOf(there.value) : null
      if (payload === null) throw new FedsamError('RecordDamaged', `${key} is not what the decision names`)
      return { client, payload, numExamples, metrics: there!.value.update!.metrics }
    }),
  )
}
