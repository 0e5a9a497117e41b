// A store whose whole reads are bounded: a record may come from anybody, and a marker of many gigabytes must not fill the memory.
// Payloads are read by ranges, whose length the reader chooses.
import { FedsamError } from '#protocol/errors.ts'
import type { StoreReader } from '../ports.ts'

/** Bytes of an object that is read whole: those of the largest marker that protocol/canonical.ts accepts. */
const MOST_BYTES = 32 * 2 ** 20

/** The same store; a whole read of a longer object throws RecordDamaged that names the object. */
export function boundedStore<Store extends StoreReader>(store: Store): Store {
  return {
    ...store,
    async get(key, range, into) {
      if (range === undefined) {
        const size = await store.size(key)
        if (size !== undefined && size > MOST_BYTES) {
          throw new FedsamError(
            'RecordDamaged',
            `${key} has ${size} bytes; at most ${MOST_BYTES} are read whole`,
          )
        }
      }
      return store.get(key, range, into)
    },
  }
}
