// The updates that a decision names: the ones that this coordinator admitted, and the others read back from their receipts. An
// update that was admitted and that the decision does not name has no part in the round.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, PayloadRef } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { payloadOf } from '../record/marker-facts.ts'
import { readRecord } from '../record/markers.ts'
import { clipFactor } from '../rounds/clipping.ts'
import { countedExamples } from '../rounds/limits.ts'
import type { AdmittedUpdate } from './receipts.ts'
import type { ClosedAttempt } from './round.ts'

/** An update as the fold takes it. */
export interface DecidedUpdate {
  readonly client: string
  readonly payload: PayloadRef
  /** The examples that count. */
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
  /** Below 1 where the decision clips the update's norm. */
  readonly factor: number
  readonly bytes?: Uint8Array
}

/**
 * Throws RecordDamaged where a receipt is missing, or is not the one that the decision names, and where the decision clips an update
 * without a norm.
 */
export function updatesOf(
  store: ObjectStore,
  { plan, decision }: Pick<ClosedAttempt, 'plan' | 'decision'>,
  admitted: readonly AdmittedUpdate[],
): Promise<DecidedUpdate[]> {
  const { round } = decision.value
  const known = new Map(admitted.map((update) => [update.receipt.digest, update]))
  return Promise.all(
    decision.value.updates.map(async ({ client, attempt, receipt, norm, ...claimed }) => {
      const factor = factorOf(decision.value, client, norm)
      const numExamples = countedExamples(plan.value.maxExamples, claimed.numExamples)
      const own = known.get(receipt)
      if (own !== undefined) return { ...own, numExamples, factor }
      const key = attemptKeys(round, attempt).receipt(client)
      const stored = await readRecord(store, 'receipt', key)
      const payload = stored?.digest === receipt ? payloadOf(stored.value) : null
      if (payload === null) throw new FedsamError('RecordDamaged', `${key} is not what the decision names`)
      return { client, payload, numExamples, factor, metrics: stored!.value.update!.metrics }
    }),
  )
}

function factorOf({ round, clipNorm }: ClosedDecision, client: string, norm: number | null): number {
  if (clipNorm === null) return 1
  if (norm !== null) return clipFactor(clipNorm, norm)
  throw new FedsamError(
    'RecordDamaged',
    `round ${round}: the decision clips the update of ${client}, and has no norm of it`,
  )
}
