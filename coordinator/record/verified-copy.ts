// Copies a payload, within the store or from another store, and checks each block against its digest on the way.
import type { PayloadRef } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { type PayloadSource, readPayload } from '../aggregation/payload-reader.ts'
import { writePayload } from '../aggregation/payload-writer.ts'

/** Bytes that one read asks for: whole digest blocks. */
const COPY_BYTES = 8 * 1024 * 1024

/** Reads a range of the source, verified. */
export type ReadRange = (range: readonly [number, number]) => Promise<Uint8Array>

/**
 * Copies to `key` in bounded memory, and overwrites nothing. `read` reads the source where another store holds it. Throws
 * RecordDamaged where the source or an existing copy has other bytes than the record names.
 */
export async function copyPayload(
  store: ObjectStore,
  source: PayloadSource,
  key: string,
  read: ReadRange = (range) => readPayload(store, source, range),
): Promise<PayloadRef> {
  const { size } = source.payload
  const writer = writePayload(store, key, size)
  try {
    for (let begin = 0; begin < size; begin += COPY_BYTES) {
      await writer.push(await read([begin, Math.min(begin + COPY_BYTES, size)]))
    }
    return await writer.finish()
  } catch (error) {
    await writer.abort(error)
    throw error
  }
}
