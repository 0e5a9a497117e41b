// What one kind of grant URL needs to be redeemed: transfers.ts chooses among these by the URL's scheme.
// Implementations: store/filesystem/grants.ts (file:), http.ts (http:, https:).

import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { ByteRange, Grant, Written } from '../ports.ts'

/** The body of an object from some offset on. */
export interface OpenBody {
  /** The size of the whole object in bytes, whatever the offset. */
  readonly size: number
  /** Each lasts until the next one is asked for. */
  readonly chunks: AsyncIterable<Uint8Array>
}

export interface GrantScheme {
  read(grant: Grant, range?: ByteRange): Promise<Uint8Array>
  /** Bodies end early where a connection breaks: whoever reads counts. */
  /** Chunks may lie in the buffer. */
  open(grant: Grant, from: number, buffer: ReusedBuffer): Promise<OpenBody>
  /** `digest`: the body's SHA-256, where the caller has it. */
  write(grant: Grant, body: Uint8Array, digest?: string): Promise<Written>
}
