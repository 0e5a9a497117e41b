// The public keys of the clients, pinned in the record: the first request of a client with a new key adds an object, and none is ever
// replaced. A worker that moves to another pod has another key, and receipts of the earlier one stay valid. Keys are found by
// counting up from 1, as epochs are. A coordinator that restarts reads them back.
import { encodeJson } from '#protocol/canonical.ts'
import { clientKeyKey } from '#protocol/keys.ts'
import type { ClientKey } from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import { readRecord } from './markers.ts'

/** Keys that one client may have: far more than a worker that restarts makes in a run. */
const MOST_KEYS = 1000

export interface ClientKeys {
  /** Whether this key belongs to the client. Reads the store where the key is not known yet. */
  has(client: string, key: string): Promise<boolean>
  /** Adds a key that the client does not have; false where the client has too many. */
  pin(client: string, key: string, incarnation: string): Promise<boolean>
}

interface Known {
  readonly keys: Set<string>
  /** The client's last read or write: the next one waits for it. */
  last: Promise<unknown>
}

export function openClientKeys(store: ObjectStore): ClientKeys {
  const clients = new Map<string, Known>()
  /** Runs the steps of one client one after the other. */
  const inTurn = <T>(client: string, step: (keys: Set<string>) => Promise<T>): Promise<T> => {
    const known = clients.get(client) ?? { keys: new Set(), last: Promise.resolve() }
    clients.set(client, known)
    const turn = known.last.then(() => step(known.keys))
    known.last = turn.catch(() => {})
    return turn
  }
  return {
    async has(client, key) {
      if (clients.get(client)?.keys.has(key)) return true
      return inTurn(client, async (keys) => {
        for await (const found of readFrom(store, client, keys.size + 1)) keys.add(found.key)
        return keys.has(key)
      })
    },
    async pin(client, key, incarnation) {
      if (clients.get(client)?.keys.has(key)) return true
      return inTurn(client, async (keys) => {
        while (!keys.has(key)) {
          const n = keys.size + 1
          if (n > MOST_KEYS) return false
          const pinned: ClientKey = { schema: 'fedsam.client-key/1', client, key, incarnation }
          await store.put(clientKeyKey(client, n), encodeJson(pinned))
          // Another coordinator may have been first: what the store has counts.
          for await (const found of readFrom(store, client, n)) keys.add(found.key)
        }
        return true
      })
    },
  }
}

/** The pinned keys of a client, in their order. */
export async function pinnedKeys(store: Pick<StoreReader, 'get'>, client: string): Promise<ClientKey[]> {
  return Array.fromAsync(readFrom(store, client, 1))
}

async function* readFrom(
  store: Pick<StoreReader, 'get'>,
  client: string,
  first: number,
): AsyncGenerator<ClientKey> {
  for (let n = first; n <= MOST_KEYS; n += 1) {
    const found = await readRecord(store, 'clientKey', clientKeyKey(client, n))
    if (found === undefined) return
    yield found.value
  }
}
