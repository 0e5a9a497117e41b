// Checks the bytes of a client's state, or of its reply to a message, against its receipt. They may be any bytes: the coordinator reads them only to know that the
// client can get the same ones back. Memory is bounded for any size. Which state may count: rounds/client-states.ts.
import { BLOCK_BYTES, blockHasher } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { RejectionReason } from '#protocol/outcomes.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'
import { readPayload } from './payload-reader.ts'

/** Why the stored bytes are not those of the receipt; undefined where they are. Throws what the store throws. */
export async function wrongBytes(
  store: StoreReader,
  payload: PayloadRef,
): Promise<
  { readonly kind: 'Rejected'; readonly reason: RejectionReason; readonly message: string } | undefined
> {
  const { key, size, sha256, blocks } = payload
  const rejected = (reason: RejectionReason, message: string) =>
    ({ kind: 'Rejected', reason, message }) as const
  if (blocks.length !== Math.ceil(size / BLOCK_BYTES))
    return rejected(
      'BadReceipt',
      `the receipt has ${blocks.length} block digests for the ${size} bytes of ${key}`,
    )
  const stored = await store.size(key)
  if (stored !== size)
    return rejected('WrongSize', `${key} has ${stored ?? 'no'} bytes, the receipt states ${size}`)
  const hasher = blockHasher()
  try {
    for (let at = 0; at < size; at += BLOCK_BYTES)
      hasher.update(await readPayload(store, { payload }, [at, Math.min(at + BLOCK_BYTES, size)]))
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged')
      return rejected('WrongDigest', error.message)
    throw error
  }
  const found = hasher.finish().sha256
  if (found === sha256) return undefined
  return rejected('WrongDigest', `${key} has the SHA-256 ${found}, the receipt states ${sha256}`)
}
