// Buffers that one fold leaves to the next: its columns, and its model where it is small, which is the next fold's base. Fresh
// memory costs as much time as hashing its contents. A model that was computed here need not be read and verified.

import type { PayloadRef } from '#protocol/record.ts'
import { TILE } from './slice-fold.ts'

/** Columns, and each of two models, are kept between rounds up to this share of coordinator.memoryBytes. */
const KEPT_SHARE = 1 / 16

export interface FoldBuffers {
  /** `count` columns of `elements` elements. They still hold old values. */
  columns(count: number, elements: number): Float64Array[]
  /** Space for one step of the server optimizer. */
  readonly tile: Float64Array
  /** The bytes of a model that the last fold computed here; undefined for another model, and for one that was too large. */
  base(payload: PayloadRef): Uint8Array | undefined
  /** Space for a model of `size` bytes; undefined where it is too large. */
  draft(size: number): Uint8Array | undefined
  /** Records that the draft holds this model now. */
  keep(model: PayloadRef): void
}

/** The buffers of one coordinator, which runs one fold at a time within `memoryBytes`. */
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
      // The old base's memory is free for the next model.
      const free = base.bytes
      base = { sha256, bytes: draft }
      draft = free
    },
  }
}
