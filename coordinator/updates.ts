// The updates that a decision names, read back from their receipts: for a coordinator that takes over after the decision.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, PayloadRef } from '#protocol/record.ts'
import { payloadOf } from './admission.ts'
import { type RunBook, readRecord } from './record.ts'

/** An update as the fold takes it. */
export interface DecidedUpdate {
  readonly client: string
  readonly payload: PayloadRef
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
}

/** Reads the receipts that the decision names. Throws RecordDamaged where one is gone or other than decided upon. */
export function updatesOf(book: RunBook, round: number, decision: ClosedDecision): Promise<DecidedUpdate[]> {
  return Promise.all(
    decision.updates.map(async ({ client, attempt, receipt, numExamples }) => {
      const key = attemptKeys(round, attempt).receipt(client)
      const there = await readRecord(book.store, 'receipt', key)
      const payload = there?.digest === receipt ? payloadOf(there.value) : null
      if (payload === null) throw new FedsamError('RecordDamaged', `${key} is not what the decision names`)
      return { client, payload, numExamples, metrics: there!.value.update!.metrics }
    }),
  )
}
