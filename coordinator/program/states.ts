// The map of the clients' states over the exchanges: each decision names it by digest. An exchange that changes no state names the map
// before.
import { encodeJson } from '#protocol/canonical.ts'
import type { KeptState, StatesRef } from '#protocol/client-state.ts'
import { sha256 } from '#protocol/digest.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'

/** Writes the map after an exchange, before the decision that names it. Undefined where no client has had a state yet. */
export async function writeMap(
  store: ObjectStore,
  exchange: number,
  {
    before,
    last,
    next,
  }: {
    readonly before: StatesRef | undefined
    readonly last: readonly KeptState[]
    readonly next: readonly KeptState[]
  },
): Promise<StatesRef | undefined> {
  if (sha256(encodeJson(next)) === sha256(encodeJson(last))) return before
  const bytes = encodeJson({ schema: 'fedsam.states/1', round: exchange, attempt: 1, states: next })
  const digest = sha256(bytes)
  const key = exchangeKeys(exchange).states(digest)
  await store.put(key, bytes)
  return { key, size: bytes.length, sha256: digest }
}
