// What FedSAM asks of a store, of a message bus, of a granted transfer, and of where a job comes from. Implementations: store/s3/store.ts,
// store/filesystem/store.ts; bus/nats/bus.ts, bus/in-process/bus.ts; grants/transfers.ts; kubernetes/job.ts. Each keeps the promises below.
// A key is a relative path of segments [A-Za-z0-9._-]+ joined by "/"; it never starts with "/" and never holds "..".
// No key is the folder of another ("a" and "a/b"), and no two differ in case only: a folder could not hold both.

import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { Room } from '#runtime/reused-buffer.ts'

/** What an absent-only write found: it created the object, or another one was already there (never overwritten). */
export type Written = 'Created' | 'Exists'

/** A byte range of an object: `length` bytes from `offset`. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** A right to one transfer, given for a limited time to somebody without credentials. JSON-safe. */
export interface Grant {
  readonly method: 'GET' | 'PUT'
  /** https:, http:, file: or memory: */
  readonly url: string
  /** Headers that must be sent as they are (they are signed). */
  readonly headers: Readonly<Record<string, string>>
}

/** What a write grant allows: exactly these bytes, once. */
export interface WriteTerms {
  readonly size: number
  /** Lower-case hexadecimal SHA-256 of the whole body. */
  readonly sha256: string
}

/** A file that was downloaded. */
export interface Downloaded {
  /** Bytes. */
  readonly size: number
  /** Lower-case hexadecimal SHA-256. */
  readonly sha256: string
}

/** One part of a multipart upload. `number` counts from 1. */
export interface UploadPart {
  readonly number: number
  readonly size: number
  /** The store's own name of the part (opaque; S3's ETag is in it), needed to complete. */
  readonly tag: string
  /** Lower-case hexadecimal SHA-256 of the part, where the store knows it. */
  readonly sha256?: string
}

/** A multipart upload that is neither completed nor aborted. */
export interface OpenedUpload {
  readonly key: string
  readonly upload: string
}

/**
 * An object store with absent-only writes. All writes are atomic: a reader sees nothing or the whole object, and an
 * object never changes once it is there. Objects are never listed: every key is computed.
 * Errors: FedsamError StorageUnreachable after bounded retries; StorageUnsuitable for a broken promise.
 */
export interface ObjectStore {
  /** For people: "folder out/run", "s3://bucket/prefix". */
  readonly description: string
  /**
   * The object's bytes, or the range of them; undefined where there is no such object. A range beyond the end throws RangeError.
   * `into`: memory of the range's length, which the store may fill and answer with.
   */
  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined>
  /** The object's size in bytes; undefined where there is none. */
  size(key: string): Promise<number | undefined>
  /** Writes a small object, only if absent. */
  put(key: string, body: Uint8Array): Promise<Written>
  /**
   * Writes a large object of exactly `size` bytes from chunks, only if absent, in bounded memory. Chunks that end early
   * or go on beyond `size` throw RangeError, and a source that throws is passed on; either way nothing becomes visible.
   */
  write(key: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<Written>
  /** Deletes one object; deleting an absent one is no error. */
  delete(key: string): Promise<void>
  grantRead(key: string, seconds: number): Promise<Grant>
  /** The store itself refuses other bytes, another length, and a second write. */
  grantWrite(key: string, terms: WriteTerms, seconds: number): Promise<Grant>
  /**
   * Multipart: the owner opens and completes (absent-only), a granted worker sends the parts, each of at least 5 MiB
   * except the last, at most 10,000. A part sent again replaces the earlier one. Completing again is 'Exists' once the
   * object is there; where the upload is neither open nor its object there, UploadGone is thrown.
   */
  openUpload(key: string): Promise<string>
  grantPart(
    key: string,
    upload: string,
    part: { number: number } & WriteTerms,
    seconds: number,
  ): Promise<Grant>
  /** Uploads that are open for keys which begin with `prefix`, by any writer; empty where the store does not say. */
  openUploads(prefix: string): Promise<readonly OpenedUpload[]>
  uploadedParts(key: string, upload: string): Promise<readonly UploadPart[]>
  completeUpload(key: string, upload: string, parts: readonly UploadPart[]): Promise<Written>
  abortUpload(key: string, upload: string): Promise<void>
  close(): Promise<void>
}

/** A store that is only read: nothing that a caller can do with it changes an object. */
export type StoreReader = Pick<ObjectStore, 'description' | 'get' | 'size' | 'close'>

/** How a worker uses a grant. It never sees a credential. */
export interface GrantedTransfers {
  /** Whole body or a range. Throws GrantRefused when the grant has expired or does not fit. */
  read(grant: Grant, range?: ByteRange): Promise<Uint8Array>
  /** Streams the body to a local file, resuming a partial one; resolves to what the file then holds. It may pass through `room`. */
  download(grant: Grant, file: string, room?: Room): Promise<Downloaded>
  /**
   * `body` must be the granted bytes. 'Exists': somebody wrote this key before (perhaps this very call, retried). `digest`: its
   * SHA-256 where the caller has it, so that a store within this machine need not compute it again.
   */
  write(grant: Grant, body: Uint8Array, digest?: string): Promise<Written>
}

/** A request that somebody serves: subject as it was sent, body, and where the answer goes. */
export type RequestHandler = (subject: string, body: Uint8Array) => Promise<Uint8Array>

/**
 * Request and reply; nothing is stored. Messages may be lost, doubled, reordered: callers repeat, servers are idempotent.
 * Subjects are dot-separated tokens; a served pattern may end in ">" (one or more tokens) and hold "*" (one token).
 */
export interface MessageBus {
  readonly description: string
  /** Serves every request whose subject matches, concurrently. */
  serve(pattern: string, handler: RequestHandler): Promise<{ stop(): Promise<void> }>
  /**
   * One request, one answer. `inbox` is the prefix under which the reply subject lies.
   * Throws NoAnswer when nobody serves the subject, the time is over, or the connection is away.
   */
  request(
    subject: string,
    body: Uint8Array,
    options: { timeoutMs: number; inbox?: string },
  ): Promise<Uint8Array>
  close(): Promise<void>
}

/** The grant is expired, or the store refused the transfer for what it is (other bytes, longer body, other key). */
export class GrantRefused extends Error {
  override readonly name = 'GrantRefused'
}

/** The multipart upload is not open (any more), and its object is not there: open another one. */
export class UploadGone extends Error {
  override readonly name = 'UploadGone'
}

/** Nobody answered a request. Try again: messages are hints. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** A job as a coordinator gets it: identity and spec with its defaults. */
export interface CoordinatedJob {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly generation: number
  readonly spec: CompleteFederatedJobSpec
}

/** Where a coordinator's job comes from, and how it changes while it runs. */
export interface JobSource {
  /** The newest that was seen. */
  job(): CoordinatedJob
  /** What a coordinator of this very job left in its status before; undefined where none did. */
  training(): TrainingStatus | undefined
  /**
   * Follows the job until the signal says stop; `changed` hears of every change of its spec. Throws FedsamError Superseded once
   * the job is gone, or another one bears its name.
   */
  follow(changed: () => void, signal: AbortSignal): Promise<void>
}

/** The status itself is refused, by the schema or for its size: writing the same again would be refused again. */
export class StatusRefused extends Error {
  override readonly name = 'StatusRefused'
}

/** Where a coordinator says how its run stands. */
export interface StatusSink {
  /**
   * Leaves it in place of what was there. Throws FedsamError Superseded where the job is gone, another one bears its name, or a
   * newer coordinator has written, and StatusRefused where less of it may be accepted; what else it throws, another try may cure.
   */
  write(training: TrainingStatus): Promise<void>
}
