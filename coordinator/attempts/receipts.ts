// What a receipt in the store comes to: nothing, a rejection with its reason, an evaluation, an admitted update. It reads the
// store. Only faults of the store are thrown. Where the client stands, and whether it is still asked, the attempt decides.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { RejectionReason } from '#protocol/outcomes.ts'
import type { PayloadRef, Plan, Receipt } from '#protocol/record.ts'
import type { Admission } from '../aggregation/update-checks.ts'
import { type Marked, type RunMarkers, readRecord } from '../record/markers.ts'

/** An update that was admitted, and where its receipt lies. */
export interface AdmittedUpdate {
  readonly client: string
  readonly attempt: number
  readonly receipt: Marked<Receipt>
  readonly payload: PayloadRef
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
  /** The payload's bytes where they were small enough to keep. */
  readonly bytes?: Uint8Array
}

export type Judgement =
  | { readonly kind: 'None' }
  | { readonly kind: 'Rejected'; readonly reason: RejectionReason; readonly message: string }
  | { readonly kind: 'Evaluated'; readonly receipt: Marked<Receipt> }
  | { readonly kind: 'Admitted'; readonly update: AdmittedUpdate }

/** Admits the update that a receipt names; injected, since it reads every byte (admission.ts). */
export type Admit = (receipt: Receipt, payload: PayloadRef) => Promise<Admission>

/** Whose receipt, of which attempt at the plan's round, and whether an update is expected of it. */
export interface Expected {
  readonly client: string
  readonly attempt: number
  readonly trains: boolean
}

const rejected = (reason: RejectionReason, message: string): Judgement => ({
  kind: 'Rejected',
  reason,
  message,
})

/**
 * An error that no code foresaw comes from what this client sent. It rejects the update: the receipt stays in the store, and a
 * coordinator that ended here would end here again after each restart.
 */
function unforeseen(error: unknown): Admission {
  if (error instanceof FedsamError) throw error
  return {
    kind: 'Rejected',
    reason: 'BadReceipt',
    message: `the update could not be checked: ${String(error).slice(0, 200)}`,
  }
}

/** Reads and judges one receipt. Throws what the store throws: that is no fault of the client's. */
export async function judgeReceipt(
  markers: RunMarkers,
  plan: Plan,
  expected: Expected,
  admit: Admit,
): Promise<Judgement> {
  const { client, attempt, trains } = expected
  let receipt: Marked<Receipt> | undefined
  try {
    receipt = await readRecord(markers.store, 'receipt', attemptKeys(plan.round, attempt).receipt(client))
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged')
      return rejected('BadReceipt', error.message)
    throw error
  }
  if (receipt === undefined) return { kind: 'None' }
  const { value } = receipt
  if (value.client !== client || value.round !== plan.round || value.attempt !== attempt) {
    return rejected('BadReceipt', 'it names another client, round or attempt')
  }
  const base = plan.base?.payload.sha256 ?? null
  if (value.base !== base)
    return rejected('WrongBase', `trained from ${value.base}, the plan's base is ${base}`)
  if (!trains) return { kind: 'Evaluated', receipt }
  const payload = payloadOf(value)
  if (value.update === null || payload === null) return rejected('BadReceipt', 'it names no update')
  const admission = await admit(value, payload).catch(unforeseen)
  if (admission.kind === 'Rejected') return admission
  const { numExamples, metrics } = value.update
  const kept = admission.bytes === undefined ? {} : { bytes: admission.bytes }
  return { kind: 'Admitted', update: { client, attempt, receipt, payload, numExamples, metrics, ...kept } }
}

/** The payload's place, from its receipt. */
export function payloadOf(receipt: Receipt): PayloadRef | null {
  const { update, client, round, attempt } = receipt
  if (update === null) return null
  const { size, sha256, blocks, upload } = update
  return { key: attemptKeys(round, attempt).payload(client, upload), size, sha256, blocks }
}
