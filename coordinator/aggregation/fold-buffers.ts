// What a fold leaves to the next: its columns, and a small model, which is the next fold's base. Fresh memory costs as much as
// hashing what it holds; the model need not be read and verified where it was computed.

import type { PayloadRef } from '#protocol/record.ts'
import { TILE } from './slice-fold.ts'

/** Columns and models above this share of coordinator.memoryBytes are not kept between rounds; of models there are two. */
const KEPT_SHARE = 1 / 16

export interface FoldBuffers {
  /** Columns of so many elements, with whatever was in them. */
  columns(count: number, elements: number): Float64Array[]
  /** Room for one step of the server optimizer. */
  readonly tile: Float64Array
  /** The bytes of a model that the last fold made here; undefined where it was not, or was too large. */
  base(payload: PayloadRef): Uint8Array | undefined
  /** Where a model of so many bytes may be made; undefined where it is too large. */
  draft(size: number): Uint8Array | undefined
  /** The draft is this model now. */
  keep(model: PayloadRef): void
}

/** Of one coordinator: one fold at a time, within `memoryBytes`. */
export function createFoldBuffers(memoryBytes: number): FoldBuffers {
  const most = memoryBytes * KEPT_SHARE
  let columns: Float64Array[] = []
  let base = { sha256: '', bytes: new Uint8Array(0) }
  let draft = new Uint8Array(0)
  return {
    tile: new Float64Array(TILE),
    columns(count, elements) {
      if (columns.length < count || columns[0]!.length < elements) {
        const fresh = Array.from({ length: count }, () => new Float64Array(elements))
        if (count * elements * 8 > most) return fresh
        columns = fresh
      }
      return columns.slice(0, count).map((column) => column.subarray(0, elements))
    },
    base: ({ sha256 }) => (sha256 === base.sha256 ? base.bytes : undefined),
    draft(size) {
      if (size > most) return undefined
      if (draft.length !== size) draft = new Uint8Array(size)
      return draft
    },
    keep({ sha256, size }) {
      if (draft.length !== size) return
      // The base before it is free for the model after it.
      const free = base.bytes
      base = { sha256, bytes: draft }
      draft = free
    },
  }
}
