// Copies a payload, within the store or from another store, and checks each block against its digest on the way.
import type { PayloadRef } from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import { type PayloadSource, readPayload } from '../aggregation/payload-reader.ts'
import { writePayload } from '../aggregation/payload-writer.ts'

/** Bytes that one read asks for: whole digest blocks. */
const COPY_BYTES = 8 * 1024 * 1024

/**
 * Copies to `key` in bounded memory, and overwrites nothing. `from` is the store that holds the source. Throws RecordDamaged
 * where the source or an existing copy has other bytes than the record names.
 */
export async function copyPayload(
  store: ObjectStore,
  source: PayloadSource,
  key: string,
  from: StoreReader = store,
): Promise<PayloadRef> {
  const { size } = source.payload
  const writer = writePayload(store, key, size)
  try {
    for (let begin = 0; begin < size; begin += COPY_BYTES) {
      await writer.push(await readPayload(from, source, [begin, Math.min(begin + COPY_BYTES, size)]))
    }
    return await writer.finish()
  } catch (error) {
    await writer.abort(error)
    throw error
  }
}
