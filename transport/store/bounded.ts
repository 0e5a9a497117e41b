// A store with a bound on reads of whole objects. A record may come from a stranger, and a marker of many gigabytes must not fill
// the memory. Readers of payloads use ranges, and choose their length.
import { FedsamError } from '#protocol/errors.ts'
import type { StoreReader } from '../ports.ts'

/** Bytes of an object that a caller may read whole: as many as the largest marker of protocol/canonical.ts has. */
const MOST_BYTES = 32 * 2 ** 20

/** The same store. Reading a longer object whole throws RecordDamaged, which names the object. */
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
