// A verified copy of a payload within the store: every block is held against its digest on the way.
import type { PayloadRef } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { type PayloadSource, readPayload } from '../aggregation/payload-reader.ts'
import { writePayload } from '../aggregation/payload-writer.ts'

/** Bytes read at a time: whole digest blocks. */
const COPY_BYTES = 8 * 1024 * 1024

/** Copies to `key`, absent-only, in bounded memory. Throws RecordDamaged for other bytes than recorded, here or there. */
export async function copyPayload(
  store: ObjectStore,
  source: PayloadSource,
  key: string,
): Promise<PayloadRef> {
  const { size } = source.payload
  const writer = writePayload(store, key, size)
  try {
    for (let begin = 0; begin < size; begin += COPY_BYTES) {
      await writer.push(await readPayload(store, source, [begin, Math.min(begin + COPY_BYTES, size)]))
    }
    return await writer.finish()
  } catch (error) {
    await writer.abort(error)
    throw error
  }
}
