// The ports: what FedSAM needs of an object store, a message bus, a granted transfer, and the source of a job. Each method states
// what it guarantees, and test/conformance/ checks it for every implementation: store/s3/store.ts, store/filesystem/store.ts;
// bus/nats/bus.ts, bus/websocket/bus.ts, bus/in-process/bus.ts; grants/transfers.ts; kubernetes/job.ts.
// A key is a relative path: segments [A-Za-z0-9._-]+ joined by "/". It never starts with "/" and never contains "..".
// No key is the folder of another key ("a" and "a/b"), and no two keys differ in case only: a folder could not hold both.

import type { CoordinatorCertificate } from '#protocol/certificate.ts'
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'

/** The result of a write that creates an object only where none exists: it created one, or it found one and changed nothing. */
export type Written = 'Created' | 'Exists'

/** A range of an object: `length` bytes from `offset`, which counts from 0. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** The right to one transfer, for a limited time, for a client without credentials. It survives JSON. */
export interface Grant {
  readonly method: 'GET' | 'PUT'
  /** The scheme is https:, http:, file: or memory:. */
  readonly url: string
  /** Headers that the client must send unchanged: the signature covers them. */
  readonly headers: Readonly<Record<string, string>>
}

/** What a write grant allows: one write of exactly these bytes. */
export interface WriteTerms {
  /** Bytes of the whole body. */
  readonly size: number
  /** Lower-case hexadecimal SHA-256 of the whole body. */
  readonly sha256: string
}

export interface DownloadLimits {
  readonly buffer?: ReusedBuffer
  /** Bytes that the object has, as a trusted party names them. */
  readonly most?: number
}

/** A complete downloaded file. */
export interface Downloaded {
  /** Bytes. */
  readonly size: number
  /** Lower-case hexadecimal SHA-256. */
  readonly sha256: string
}

/** One part of a multipart upload. */
export interface UploadPart {
  /** Counts from 1. */
  readonly number: number
  /** Bytes. */
  readonly size: number
  /** The store's own name of the part, which completing needs. Opaque; S3's ETag is in it. */
  readonly tag: string
  /** Lower-case hexadecimal SHA-256 of the part; absent where the store does not know it. */
  readonly sha256?: string
}

/** A multipart upload that is neither completed nor aborted. */
export interface OpenedUpload {
  /** The key of the object that completing would create. */
  readonly key: string
  /** The store's name of the upload. */
  readonly upload: string
}

/**
 * An object store whose writes only create. Every write is atomic: a reader sees nothing or the whole object. An object never
 * changes after its creation. FedSAM computes every key, so a run never lists objects. Any method throws FedsamError
 * StorageUnreachable after a bounded number of retries, and StorageUnsuitable where the service breaks a guarantee of this port.
 */
export interface ObjectStore {
  /** The store's name in messages: "folder out/run", "s3://bucket/prefix". */
  readonly description: string
  /**
   * Reads the object or a range of it; undefined where no such object exists. Throws RangeError for a range that ends beyond the
   * object. `into`: memory of the same length as the range. The store may fill and return it, or return memory of its own.
   */
  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined>
  /** The object's size in bytes; undefined where no such object exists. */
  size(key: string): Promise<number | undefined>
  /** Creates a small object, in one request where the store allows that. */
  put(key: string, body: Uint8Array): Promise<Written>
  /**
   * Creates a large object of exactly `size` bytes from chunks, in bounded memory. Throws RangeError where the chunks are shorter
   * or longer than `size`, and any error of the source of the chunks. No object exists after an error.
   */
  write(key: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<Written>
  /** Deletes one object. Deleting an object that does not exist is not an error. */
  delete(key: string): Promise<void>
  /** A grant to read the object, whole or by ranges, for that many seconds. */
  grantRead(key: string, seconds: number): Promise<Grant>
  /** A grant to create the object. The store itself refuses other bytes, another length, and a second write. */
  grantWrite(key: string, terms: WriteTerms, seconds: number): Promise<Grant>
  /**
   * Opens a multipart upload; returns its name. The owner opens and completes it, and a worker sends the parts with grants. Each
   * part but the last has at least 5 MiB; an upload has at most 10,000 parts.
   */
  openUpload(key: string): Promise<string>
  /** A grant to send one part. A part that is sent twice replaces the earlier one. */
  grantPart(
    key: string,
    upload: string,
    part: { number: number } & WriteTerms,
    seconds: number,
  ): Promise<Grant>
  /** The open uploads of any writer whose keys begin with `prefix`; empty where the store cannot list them. */
  openUploads(prefix: string): Promise<readonly OpenedUpload[]>
  /** The parts that have arrived. Throws UploadGone where the upload is not open. */
  uploadedParts(key: string, upload: string): Promise<readonly UploadPart[]>
  /**
   * Creates the object from these parts. A second completion returns 'Exists' while the object exists. Throws UploadGone where the
   * upload is not open and its object does not exist.
   */
  completeUpload(key: string, upload: string, parts: readonly UploadPart[]): Promise<Written>
  /** Deletes the upload with its parts. Aborting an upload that is not open is not an error. */
  abortUpload(key: string, upload: string): Promise<void>
  /**
   * The first 1,000 keys, or fewer, that begin with `prefix`, which ends with "/"; undefined where the credentials do not permit
   * listing. Only verification asks: the record itself needs no list. A folder may hold names that no key has.
   */
  list(prefix: string): Promise<readonly string[] | undefined>
  /** Grants for clients outside of its network, which reach the store by its public name; absent where it has none. */
  readonly forSites?: SiteGrants
  /** Ends the connections. */
  close(): Promise<void>
}

/** Rights to single transfers. */
export type SiteGrants = Pick<ObjectStore, 'grantRead' | 'grantWrite' | 'grantPart'>

/** The part of a store that only reads: no method of it changes an object. */
export type StoreReader = Pick<ObjectStore, 'description' | 'get' | 'size' | 'list' | 'close'>

/** How a worker uses grants. A worker never holds a credential of the store. */
export interface GrantedTransfers {
  /** Reads the whole object or a range. Throws GrantRefused where the grant has expired or allows another transfer. */
  read(grant: Grant, range?: ByteRange): Promise<Uint8Array>
  /**
   * Streams the object to a local file, and resumes a partial download of it. `limits`: the bytes may pass through `buffer`; an object of
   * more than `most` bytes is RecordDamaged, and at most one chunk more of it reaches the disk.
   */
  download(grant: Grant, file: string, limits?: DownloadLimits): Promise<Downloaded>
  /**
   * Creates the object. `body` holds the granted bytes. 'Exists': an earlier write created the object, perhaps an earlier try of
   * this call. `digest`: the SHA-256 of the body, where the caller knows it; a store on this machine then need not compute it. `tries`:
   * of the transfer, in the place of the usual number.
   */
  write(grant: Grant, body: Uint8Array, digest?: string, tries?: number): Promise<Written>
}

/** Serves one request: receives its subject and body, and returns the body of the answer. */
export type RequestHandler = (subject: string, body: Uint8Array) => Promise<Uint8Array>

/**
 * Requests and replies; the bus stores nothing. It may lose, duplicate and reorder messages: callers repeat a request, and servers
 * are idempotent. A subject is tokens joined by dots. In a pattern, "*" is one token, and ">" at its end is one or more.
 */
export interface MessageBus {
  /** The bus's name in messages: the URL of its server. */
  readonly description: string
  /** Serves every request whose subject fits the pattern. Requests run concurrently. */
  serve(pattern: string, handler: RequestHandler): Promise<{ stop(): Promise<void> }>
  /**
   * Sends one request and returns its first answer that `accept` takes; the first of all where `accept` is absent. `inbox`: the
   * prefix of the reply subject. Throws NoAnswer where no server serves the subject, no such answer comes within `timeoutMs`, or
   * the connection is down.
   */
  request(subject: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * Why a grant was not used: the store refused the transfer (the grant has expired, other bytes, a longer body, another key); or this
 * client refuses the grant's address or headers, or the address to which the store redirects.
 */
export type GrantRefusal = 'ByStore' | 'ForeignAddress' | 'ForeignHeader' | 'Redirect'

export class GrantRefused extends Error {
  override readonly name = 'GrantRefused'
  readonly reason: GrantRefusal
  /** Whether this call transferred bytes before: the grant was good, and has expired meanwhile. */
  readonly progressed: boolean

  constructor(
    message: string,
    options: ErrorOptions & { readonly reason?: GrantRefusal; readonly progressed?: boolean } = {},
  ) {
    super(message, options)
    this.reason = options.reason ?? 'ByStore'
    this.progressed = options.progressed ?? false
  }
}

/** The multipart upload is not open, and its object does not exist: open another upload. */
export class UploadGone extends Error {
  override readonly name = 'UploadGone'
}

export interface RequestOptions {
  readonly timeoutMs: number
  readonly inbox?: string
  /** Whether this answer counts. It must not throw. */
  readonly accept?: (answer: Uint8Array) => boolean
}

/** No answer to a request came. The caller may repeat it: messages are hints, never the truth. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** A job as a coordinator receives it: its identity, and its spec with the defaults filled in. */
export interface CoordinatedJob {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly generation: number
  readonly spec: CompleteFederatedJobSpec
}

/** Where a coordinator reads its job, and follows its changes during the run. */
export interface JobSource {
  /** The newest version that this process has read. */
  job(): CoordinatedJob
  /** The status that an earlier coordinator of this job wrote; undefined where none has. */
  training(): TrainingStatus | undefined
  /** The newest certificate of a coordinator of this job; undefined where it has none. */
  certificate(): CoordinatorCertificate | undefined
  /**
   * Follows the job until the signal aborts, and calls `changed` at every change of its spec or of that certificate. Throws FedsamError Superseded once
   * the job is deleted, or another job has its name.
   */
  follow(changed: () => void, signal: AbortSignal): Promise<void>
}

/** The API server refuses this status, by the schema or for its size. It would refuse the same status again. */
export class StatusRefused extends Error {
  override readonly name = 'StatusRefused'
}

/** Where a coordinator reports the state of its run. */
export interface StatusSink {
  /**
   * Replaces the status. Throws FedsamError Superseded where the job is deleted, another job has its name, or a newer coordinator
   * has written. Throws StatusRefused where a shorter status may be accepted. Another try may cure every other error.
   */
  write(training: TrainingStatus): Promise<void>
}
