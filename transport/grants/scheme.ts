// Redeems grants of one URL scheme; transfers.ts chooses the scheme by the URL of a grant.
// Implementations: store/filesystem/grants.ts (file:), http.ts (http:, https:).

import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { ByteRange, Grant, Written } from '../ports.ts'

/** The body of an object from an offset on. */
interface OpenBody {
  /** Bytes of the whole object. */
  readonly size: number
  /** Each chunk is valid until the reader asks for the next one. */
  readonly chunks: AsyncIterable<Uint8Array>
}

export interface GrantScheme {
  read(grant: Grant, range?: ByteRange): Promise<Uint8Array>
  /**
   * Reads from an offset on. The chunks may be views of the buffer. A body ends early where a connection breaks: the reader
   * counts.
   */
  open(grant: Grant, from: number, buffer: ReusedBuffer): Promise<OpenBody>
  /** `digest`: the SHA-256 of the body, where the caller knows it. `tries`: as many, where the way may fail. */
  write(grant: Grant, body: Uint8Array, digest?: string, tries?: number): Promise<Written>
}
