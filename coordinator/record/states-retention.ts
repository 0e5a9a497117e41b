// Which states of clients retention keeps, and which it deletes once no map names them. Guarantees that what the newest map and the one
// before name is kept, however old it is: a client that went away for a hundred rounds finds its state. The rest goes with the updates of
// its round, or when a later map drops it. A new coordinator finds from the last maps what the one before did not delete.
import { parseKey } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { readStates } from './client-states.ts'
import type { Progress } from './progress.ts'

export interface StatesRetention {
  /** Reads the maps where they changed. Throws what the store throws, and RecordDamaged. */
  refresh(): Promise<void>
  /** Whether a payload must stay: a map that is kept names it. */
  keeps(key: string): boolean
  /** Keys that stayed longer than the updates of their round, and that no map names any more. */
  dropped(): readonly string[]
  /** Notes that a dropped key was deleted. */
  deleted(key: string): void
}

/** Maps that are kept: a client that missed a message still works with the one before the newest. */
const MAPS = 2

export function keepStates(
  store: Pick<ObjectStore, 'get'>,
  progress: Progress,
  retentionRounds: number,
): StatesRetention {
  const held = new Set<string>()
  let named: ReadonlySet<string> = new Set()
  /** The maps that were read last, by their keys. */
  let read = ''
  let isFirst = true
  const keysOf = async (count: number): Promise<Set<string>> => {
    const results = [...progress.results, ...(progress.evaluated === null ? [] : [progress.evaluated])]
    const maps = new Map(results.slice(-count).map(({ value }) => [value.states?.key ?? '', value]))
    const all = await Promise.all([...maps.values()].map((result) => readStates(store, result)))
    return new Set(all.flat().flatMap(({ key }) => key ?? []))
  }
  return {
    async refresh() {
      const newest = progress.evaluated ?? progress.results.at(-1)
      const wanted = `${newest?.value.round} ${newest?.value.states?.key ?? ''}`
      if (wanted === read) return
      const last = (newest?.value.round ?? 0) - retentionRounds
      // What an earlier coordinator left is in the maps of as many rounds as updates stay, and in the ones before.
      const found = await keysOf(isFirst ? retentionRounds + MAPS : MAPS)
      for (const key of found) if ((parseKey(key) as { round: number }).round <= last) held.add(key)
      named = isFirst ? await keysOf(MAPS) : found
      isFirst = false
      read = wanted
    },
    keeps: (key) => named.has(key),
    dropped: () => [...held].filter((key) => !named.has(key)),
    deleted: (key) => void held.delete(key),
  }
}
