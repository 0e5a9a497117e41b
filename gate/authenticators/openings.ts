// How many connections one key of a site opened lately. An admitted site that opened connections without end would take the places of all
// others. A second connection is no fault: after a line that went silent, the server still holds the first one for up to a minute.

/** Seconds that count. No connection of a site lives longer, so what was opened before has ended. */
const WINDOW_SECONDS = 60
/** Connections that one key may open in this time, at each gate. A line that breaks every second needs 60. */
const MOST_OPENINGS = 64

/** A function that counts an opening of this key, and returns whether it is within the bound. `now` is in seconds and never goes back. */
export function createOpenings(now: () => number): (publicKey: string) => boolean {
  const opened = new Map<string, readonly number[]>()
  return (publicKey) => {
    const time = now()
    const recent = (opened.get(publicKey) ?? []).filter((before) => time - before < WINDOW_SECONDS)
    if (recent.length >= MOST_OPENINGS) return false
    // The map stays in the order of the last opening, so that keys which do not come back are at its start.
    opened.delete(publicKey)
    opened.set(publicKey, [...recent, time])
    for (const [key, times] of opened) {
      if (time - times.at(-1)! < WINDOW_SECONDS) break
      opened.delete(key)
    }
    return true
  }
}
