// Deletes what clients uploaded in an attempt and no receipt names: payloads of earlier lives of a worker, of clients that were late,
// of clients that upload without end. A client may still write while its grant is valid, and a delete may fail: such keys are deleted
// again at the end of the next attempt. Keys are computed, so a coordinator that restarts cleans up after the one before it.
import { attemptKeys, payloadKeys } from '#protocol/keys.ts'
import type { Plan } from '#protocol/record.ts'
import type { OpenAttempt } from '../attempts/attempt.ts'
import { payloadOf } from '../attempts/receipts.ts'
import { readRecord } from '../record/markers.ts'
import type { RunContext } from '../run/context.ts'

/** Requests to the store at a time. */
const AT_ONCE = 16

/** Cleans up at the end of an attempt, and what was left before. Never rejects: what the store does not delete now stays noted. */
export async function cleanAttempt(context: RunContext, open: OpenAttempt): Promise<void> {
  const { plan, uploads } = open
  const { floor, markers } = context
  if (uploads.takenOver) return cleanDecided(context, plan.value)
  for (const [key, upload] of uploads.open) await markers.store.abortUpload(key, upload).catch(() => {})
  const named = new Set(open.updates().map(({ payload }) => payload.key))
  for (const [key, until] of uploads.granted) if (!named.has(key)) floor.leftovers.set(key, until)
  await deleteLeftovers(context)
}

/** Cleans up after an attempt of which this coordinator remembers nothing. Never rejects. */
export async function cleanDecided(context: RunContext, { round, attempt, cohort }: Plan): Promise<void> {
  const { store } = context.markers
  const keys = attemptKeys(round, attempt)
  const open = await store.openUploads(keys.updates).catch(() => [])
  for (const { key, upload } of open) await store.abortUpload(key, upload).catch(() => {})
  const until = context.clock.now() + context.pace.grantSeconds
  for (const client of cohort)
    for (const key of payloadKeys(keys, client)) context.floor.leftovers.set(key, until)
  await deleteLeftovers(context)
}

/** Deletes every leftover that no receipt names. It stays noted while somebody may write it, and where that failed. */
export async function deleteLeftovers({ markers, floor, clock }: RunContext): Promise<void> {
  const { store } = markers
  const keys = [...floor.leftovers.keys()]
  const drop = async (key: string): Promise<void> => {
    if (await isNamed(store, key)) {
      floor.leftovers.delete(key)
      return
    }
    await store.delete(key)
    if (floor.leftovers.get(key)! <= clock.now()) floor.leftovers.delete(key)
  }
  for (let at = 0; at < keys.length; at += AT_ONCE)
    await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => drop(key).catch(() => {})))
}

/** Whether the receipt beside a payload names it. A receipt that cannot be read names nothing; a store out of reach throws. */
async function isNamed(store: RunContext['markers']['store'], key: string): Promise<boolean> {
  const receipt = await readRecord(store, 'receipt', `${key.slice(0, key.lastIndexOf('/'))}.json`).catch(
    (error: { code?: string }) => {
      if (error.code === 'RecordDamaged') return undefined
      throw error
    },
  )
  return receipt !== undefined && payloadOf(receipt.value)?.key === key
}
