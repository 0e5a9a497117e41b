// Waiting in tests for what a real cluster does in its own time: asks again and again, and fails with what was never seen.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 100

/** Resolves once `holds` does; an error of it counts as no. Fails after `seconds`, with what `seen` returns. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { seconds = 60, seen = () => '' }: { readonly seconds?: number; readonly seen?: () => string } = {},
): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    if (await holdsNow(holds)) return
    await sleep(PAUSE_MS)
  }
  assert.fail(`not within ${seconds} s: ${what}. ${seen()}`)
}

async function holdsNow(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await holds()
  } catch {
    return false
  }
}
