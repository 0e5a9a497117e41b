// The client's signature in a receipt. It covers the run and every field of the receipt: round, attempt, client, the update's digest,
// num_examples, metrics, evaluation. So nobody who lacks the client's key can invent a receipt, swap its update or change its weight.
// Fields that this version does not know are covered too. Pure.
import * as v from 'valibot'
import { decodeJson, encodeJson, isSameBytes } from './canonical.ts'
import { isSignedBy, PublicKey, SIGNED, Signature, type SigningKey } from './signatures.ts'

/** A receipt's two fields for this; a receipt of an older version has neither. */
export interface ReceiptSignature {
  readonly key: string
  readonly signature: string
}

/** Whose receipt this is, by its bytes. */
export type ReceiptSigner =
  | { readonly kind: 'Unsigned' } // it has no signature
  | { readonly kind: 'Wrong' } // the key in it did not sign these fields for this run
  | { readonly kind: 'Signed'; readonly key: string }

/** The bytes of a signed receipt. */
export function signReceipt<T extends object>(key: SigningKey, uid: string, receipt: T): Uint8Array {
  const named = { ...receipt, key: key.publicKey }
  return encodeJson({ ...named, signature: key.sign(SIGNED.receipt, [uid, encodeJson(named)]) })
}

/** Who signed a stored receipt of the run with this uid. Whether the key is the client's, the caller decides. */
export function receiptSigner(bytes: Uint8Array, uid: string): ReceiptSigner {
  let fields: unknown
  try {
    fields = decodeJson(bytes)
  } catch {
    return { kind: 'Wrong' }
  }
  if (typeof fields !== 'object' || fields === null) return { kind: 'Wrong' }
  const { signature, ...named } = fields as Record<string, unknown>
  if (signature === undefined && named.key === undefined) return { kind: 'Unsigned' }
  if (!v.is(PublicKey, named.key) || !v.is(Signature, signature)) return { kind: 'Wrong' }
  // Other bytes for the same fields would have another digest.
  if (!isSameBytes(encodeJson(fields), bytes)) return { kind: 'Wrong' }
  return isSignedBy(named.key, signature, SIGNED.receipt, [uid, encodeJson(named)])
    ? { kind: 'Signed', key: named.key }
    : { kind: 'Wrong' }
}
