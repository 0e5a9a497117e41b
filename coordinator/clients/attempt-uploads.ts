// The uploads that one coordinator granted in one attempt: which payloads, until when, and one multipart upload for each payload.
// It lets a client resume an interrupted upload, and names what to delete when the attempt ends (leftover-uploads.ts). All of
// this is memory: a coordinator that takes over an attempt finds the open uploads in the store.
import { type ObjectStore, UploadGone, type UploadPart } from '#transport/ports.ts'

/** The open upload with the parts that arrived; or the payload is stored already. */
export type Resumed =
  | { readonly kind: 'Open'; readonly upload: string; readonly parts: readonly UploadPart[] }
  | { readonly kind: 'Stored' }

export interface AttemptUploads {
  /** Another coordinator opened the attempt, so it may have granted uploads that this one does not know. */
  readonly takenOver: boolean
  /** Records that the payload may be written until this second of the coordinator's clock. */
  grant(key: string, until: number): void
  /** Granted payloads, and until when each may be written. */
  readonly granted: ReadonlyMap<string, number>
  /** Returns the payload's open upload, or opens one. */
  resume(key: string): Promise<Resumed>
  /** Whether this is the payload's open upload. */
  isOpen(key: string, upload: string): Promise<boolean>
  complete(key: string): void
  /** Runs work on one payload after earlier work on it. */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T>
  /** The payload was stored from its pieces. */
  join(key: string, sha256: string): void
  /** Digests of the payloads that were stored from their pieces. */
  readonly joined: ReadonlyMap<string, string>
  /** Open uploads: from key to upload. */
  readonly open: ReadonlyMap<string, string>
}

export function createAttemptUploads(store: ObjectStore, takenOver: boolean): AttemptUploads {
  const granted = new Map<string, number>()
  const open = new Map<string, string>()
  const stored = new Set<string>()
  const joined = new Map<string, string>()
  const searched = new Set<string>()
  const busy = new Map<string, Promise<unknown>>()

  /** Finds what an earlier coordinator opened or completed. Searches the store once per payload. */
  const findEarlier = async (key: string): Promise<void> => {
    if (!takenOver || searched.has(key)) return
    if ((await store.size(key)) !== undefined) stored.add(key)
    const [found, ...others] = (await store.openUploads(key)).filter((one) => one.key === key)
    for (const { upload } of others) await store.abortUpload(key, upload)
    if (found !== undefined && !open.has(key)) open.set(key, found.upload)
    searched.add(key)
  }
  const openOrResume = async (key: string): Promise<Resumed> => {
    await findEarlier(key)
    if (stored.has(key)) return { kind: 'Stored' }
    const upload = open.get(key)
    if (upload !== undefined) {
      try {
        return { kind: 'Open', upload, parts: await store.uploadedParts(key, upload) }
      } catch (error) {
        if (!(error instanceof UploadGone)) throw error
      }
    }
    const fresh = await store.openUpload(key)
    open.set(key, fresh)
    return { kind: 'Open', upload: fresh, parts: [] }
  }
  /** Runs work on the same payload one after the other: two requests at once must not open two uploads. */
  const inTurn = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const next = (busy.get(key) ?? Promise.resolve()).catch(() => {}).then(work)
    busy.set(key, next)
    return next
  }
  return {
    ...{ takenOver, granted, open, joined, inTurn },
    grant: (key, until) => void granted.set(key, Math.max(until, granted.get(key) ?? until)),
    resume: (key) => inTurn(key, () => openOrResume(key)),
    isOpen: (key, upload) =>
      inTurn(key, async () => {
        await findEarlier(key)
        return open.get(key) === upload
      }),
    complete(key) {
      open.delete(key)
      stored.add(key)
    },
    join(key, sha256) {
      joined.set(key, sha256)
      stored.add(key)
    },
  }
}
