// Judges one receipt in the store: none, rejected with a reason, an evaluation, or an admitted update. It throws faults of the
// store only: faults of a client are judgements. The attempt decides whether the judgement still counts (attempt.ts).

import { FedsamError } from '#protocol/errors.ts'
import { plannedKeys } from '#protocol/external.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { RejectionReason } from '#protocol/outcomes.ts'
import type { ReceiptSigner } from '#protocol/receipt-signature.ts'
import type { PayloadRef, Plan, Receipt } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { wrongBytes } from '../aggregation/opaque-checks.ts'
import type { Admission } from '../aggregation/update-checks.ts'
import type { ClientKeys } from '../record/client-keys.ts'
import { payloadOf, statePayloadOf } from '../record/marker-facts.ts'
import { type Marked, readReceipt, type SignedReceipt } from '../record/markers.ts'
import { type StatesBefore, wrongState } from '../rounds/client-states.ts'

/** An admitted update and its receipt. */
export interface AdmittedUpdate {
  readonly client: string
  readonly attempt: number
  readonly receipt: Marked<Receipt>
  readonly payload: PayloadRef
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
  /** The norm of its difference to the base; null where it was not measured. */
  readonly norm: number | null
  /** The payload's bytes where they were small enough to keep. */
  readonly bytes?: Uint8Array
}

export type Judgement =
  | { readonly kind: 'None' }
  | { readonly kind: 'Rejected'; readonly reason: RejectionReason; readonly message: string }
  | { readonly kind: 'Evaluated'; readonly receipt: Marked<Receipt> }
  | { readonly kind: 'Admitted'; readonly update: AdmittedUpdate }

/** Admits the update that a receipt names. A parameter, since it reads every byte (admission.ts). */
export type Admit = (receipt: Receipt, payload: PayloadRef) => Promise<Admission>

/** Which receipt to judge: the client, the attempt at the plan's round, and whether the client was asked for an update. */
export interface Expected {
  /** The run's uid, which the receipt's signature covers. */
  readonly uid: string
  readonly clientKeys: Pick<ClientKeys, 'has'>
  readonly client: string
  readonly attempt: number
  readonly trains: boolean
  readonly states: StatesBefore
}

const rejected = (reason: RejectionReason, message: string): Judgement => ({
  kind: 'Rejected',
  reason,
  message,
})

/**
 * An unexpected error comes from what this client sent, so it rejects the update. Otherwise the coordinator would end, and end
 * again after each restart, because the receipt stays in the store.
 */
function rejectUnexpected(error: unknown): Admission {
  if (error instanceof FedsamError) throw error
  return {
    kind: 'Rejected',
    reason: 'BadReceipt',
    message: `the update could not be checked: ${String(error).slice(0, 200)}`,
  }
}

/** Reads and judges one receipt. Throws what the store throws: the client is not at fault for that. */
export async function judgeReceipt(
  store: ObjectStore,
  plan: Plan,
  expected: Expected,
  admit: Admit,
): Promise<Judgement> {
  const { client, attempt, trains, uid } = expected
  let receipt: SignedReceipt | undefined
  try {
    receipt = await readReceipt(store, attemptKeys(plan.round, attempt).receipt(client), uid)
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
  const unsigned = plan.receipts === 'Signed' ? await whyNotSigned(receipt.signer, plan, expected) : undefined
  if (unsigned !== undefined) return rejected('WrongSignature', unsigned)
  const base = plan.base?.payload.sha256 ?? null
  if (value.base !== base)
    return rejected('WrongBase', `trained from ${value.base}, the plan's base is ${base}`)
  const wrong = wrongState(expected.states, value) ?? (await judgeStateBytes(store, value))
  if (wrong !== undefined) return wrong
  return trains ? judgeUpdate(receipt, admit) : { kind: 'Evaluated', receipt }
}

async function judgeStateBytes(
  store: ObjectStore,
  receipt: Receipt,
): Promise<Extract<Admission, { kind: 'Rejected' }> | undefined> {
  const payload = statePayloadOf(receipt)
  if (payload === null) return undefined
  const found = await wrongBytes(store, payload).catch(rejectUnexpected)
  return found?.kind === 'Rejected' ? found : undefined
}

/** Why the receipt does not have its client's signature; undefined where it has. */
async function whyNotSigned(
  signer: ReceiptSigner,
  plan: Plan,
  { client, clientKeys }: Expected,
): Promise<string | undefined> {
  if (signer.kind === 'Unsigned') return 'the receipt has no signature'
  if (signer.kind === 'Wrong') return 'the signature of the receipt does not fit it'
  if ((plannedKeys(plan).get(client) ?? signer.key) !== signer.key)
    return 'another key than the plan names signed the receipt'
  return (await clientKeys.has(client, signer.key)) ? undefined : `no key of ${client} signed the receipt`
}

async function judgeUpdate(receipt: Marked<Receipt>, admit: Admit): Promise<Judgement> {
  const { value } = receipt
  const payload = payloadOf(value)
  if (value.update === null || payload === null) return rejected('BadReceipt', 'it names no update')
  const admission = await admit(value, payload).catch(rejectUnexpected)
  if (admission.kind === 'Rejected') return admission
  const { client, attempt } = value
  const { numExamples, metrics } = value.update
  const kept = admission.bytes === undefined ? {} : { bytes: admission.bytes }
  const { norm } = admission
  return {
    kind: 'Admitted',
    update: { client, attempt, receipt, payload, numExamples, metrics, norm, ...kept },
  }
}
