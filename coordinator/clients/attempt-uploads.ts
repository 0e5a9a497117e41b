// What clients may write in one attempt, as this coordinator granted it: which payloads, until when, and one multipart upload for
// each. It makes uploads resume and says what to delete at the attempt's end (leftover-uploads.ts). All of it is memory: a coordinator
// that takes an attempt over finds the uploads in the store.
import { type ObjectStore, UploadGone, type UploadPart } from '#transport/ports.ts'

/** An upload and the parts of it that arrived, or that the payload is stored already. */
export type Resumed =
  | { readonly kind: 'Open'; readonly upload: string; readonly parts: readonly UploadPart[] }
  | { readonly kind: 'Stored' }

export interface AttemptUploads {
  /** True where another coordinator opened the attempt: it may have granted what is not known here. */
  readonly takenOver: boolean
  /** Notes that this payload may be written until then, by the coordinator's clock. */
  grant(key: string, until: number): void
  /** Payloads that were granted, and until when. */
  readonly granted: ReadonlyMap<string, number>
  /** The one upload of this payload: the open one where there is one, else a new one. */
  resume(key: string): Promise<Resumed>
  /** Whether this is the open upload of the payload. */
  isOpen(key: string, upload: string): Promise<boolean>
  complete(key: string): void
  /** Uploads that are open: key to upload. */
  readonly open: ReadonlyMap<string, string>
}

export function createAttemptUploads(store: ObjectStore, takenOver: boolean): AttemptUploads {
  const granted = new Map<string, number>()
  const open = new Map<string, string>()
  const stored = new Set<string>()
  const looked = new Set<string>()
  const busy = new Map<string, Promise<unknown>>()

  /** What the coordinator before this one left, once for each payload. */
  const lookFor = async (key: string): Promise<void> => {
    if (!takenOver || looked.has(key)) return
    if ((await store.size(key)) !== undefined) stored.add(key)
    const [found, ...others] = (await store.openUploads(key)).filter((one) => one.key === key)
    for (const { upload } of others) await store.abortUpload(key, upload)
    if (found !== undefined && !open.has(key)) open.set(key, found.upload)
    looked.add(key)
  }
  const openOrResume = async (key: string): Promise<Resumed> => {
    await lookFor(key)
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
  /** One after the other for each payload: two requests at once must not open two uploads. */
  const inTurn = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const next = (busy.get(key) ?? Promise.resolve()).catch(() => {}).then(work)
    busy.set(key, next)
    return next
  }
  return {
    takenOver,
    granted,
    open,
    grant: (key, until) => void granted.set(key, Math.max(until, granted.get(key) ?? until)),
    resume: (key) => inTurn(key, () => openOrResume(key)),
    isOpen: (key, upload) =>
      inTurn(key, async () => {
        await lookFor(key)
        return open.get(key) === upload
      }),
    complete(key) {
      open.delete(key)
      stored.add(key)
    },
  }
}
