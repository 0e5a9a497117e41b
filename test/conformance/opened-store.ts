// What an implementation of ObjectStore opens for the conformance tests, and how a test case gets it.
import type { GrantedTransfers, ObjectStore } from '#transport/ports.ts'

/** Bytes: one more than S3 accepts in one request. FEDSAM_LARGEST_BODY_MB, in MiB, makes it smaller. */
export const LARGEST_BODY = Number(process.env.FEDSAM_LARGEST_BODY_MB ?? 5 * 1024) * 1024 ** 2 + 1

export interface OpenedStore {
  readonly store: ObjectStore
  /** The transfers of a worker, which holds only grants. */
  readonly transfers: GrantedTransfers
  /** Opens another client of the same objects, as another process does. */
  another(): Promise<ObjectStore>
  /** A folder for downloads. */
  readonly scratch: string
  /** The largest body that the cases write to this kind of store, in bytes. */
  readonly largest: number
  close(): Promise<void>
}

/** Returns the store that is open while a test runs. */
export type Opened = () => OpenedStore
