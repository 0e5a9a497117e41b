// Checks once, before a coordinator trusts a store, whether the store gives the guarantees that the record of a run needs.
// Guarantees: a store that overwrites objects, or ignores ranges, is StorageUnsuitable; the check leaves no object.

import { FedsamError } from '#protocol/errors.ts'
import type { ObjectStore } from '../ports.ts'

/** Sends five small requests. Throws FedsamError StorageUnsuitable, or StorageUnreachable as every request may. */
export async function checkGuarantees(store: ObjectStore): Promise<void> {
  // Every check has its own key: two checks of one key would each see the object of the other.
  const key = `probe/${crypto.randomUUID()}`
  const first = new TextEncoder().encode('fedsam probe, first writer')
  const second = new TextEncoder().encode('fedsam probe, second writer')
  try {
    if ((await store.put(key, first)) !== 'Created') refuse(store, 'says that a new object exists already')
    if ((await store.put(key, second)) !== 'Exists')
      refuse(store, 'overwrites objects (it ignores If-None-Match)')
    const [range, size] = await Promise.all([store.get(key, { offset: 7, length: 5 }), store.size(key)])
    if (size !== first.byteLength) refuse(store, 'changed an object that existed')
    if (new TextDecoder().decode(range) !== 'probe') refuse(store, 'does not read ranges of objects')
  } finally {
    await store.delete(key).catch(() => {})
  }
}

function refuse(store: ObjectStore, fault: string): never {
  throw new FedsamError('StorageUnsuitable', `${store.description} ${fault}`, {
    remedy: 'use a store with conditional writes, such as Amazon S3 or versitygw',
  })
}
