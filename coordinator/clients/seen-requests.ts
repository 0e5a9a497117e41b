// Which requests a client has sent already, so that a recorded one does nothing when somebody sends it again. Each life of a worker
// numbers its requests; a number counts once. Requests may overtake each other: a number may come late, within a window.
// A request that an earlier coordinator received names that one's epoch; signed-requests.ts refuses it.

/** Numbers behind the newest one that may still come. A client has a handful of requests open. */
const WINDOW = 128
/** Lives of one client that are remembered with their numbers. */
const MOST_LIVES = 16
/** Older lives of one client that are remembered by name: all of their requests are refused. */
const MOST_FORGOTTEN = 256

interface Life {
  newest: number
  /** The numbers that came: all above `newest - WINDOW`, and some below. */
  readonly seen: Set<number>
}

interface Lives {
  readonly known: Map<string, Life>
  readonly forgotten: Set<string>
}

export interface SeenRequests {
  /** Takes a request's number; false where it came before, or may have. `life`: its key and incarnation. */
  take(client: string, life: string, number: number): boolean
}

export function createSeenRequests(): SeenRequests {
  const clients = new Map<string, Lives>()
  return {
    take(client, name, number) {
      const lives = clients.get(client) ?? { known: new Map(), forgotten: new Set() }
      clients.set(client, lives)
      const life = lifeOf(lives, name)
      if (life === undefined || number <= life.newest - WINDOW || life.seen.has(number)) return false
      life.seen.add(number)
      life.newest = Math.max(life.newest, number)
      dropOld(life)
      return true
    },
  }
}

/** The life of this name, a new one where nobody knows it; undefined where it was forgotten. */
function lifeOf({ known, forgotten }: Lives, name: string): Life | undefined {
  if (forgotten.has(name)) return undefined
  const found = known.get(name)
  if (found !== undefined) return found
  if (known.size >= MOST_LIVES) {
    const [oldest] = known.keys()
    known.delete(oldest!)
    forgotten.add(oldest!)
  }
  if (forgotten.size > MOST_FORGOTTEN) {
    const [first] = forgotten
    forgotten.delete(first!)
  }
  const life = { newest: 0, seen: new Set<number>() }
  known.set(name, life)
  return life
}

function dropOld({ newest, seen }: Life): void {
  if (seen.size <= 2 * WINDOW) return
  for (const old of seen) if (old <= newest - WINDOW) seen.delete(old)
}
