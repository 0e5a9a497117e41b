// The promises of ObjectStore and of the grants it gives, as tests that every implementation runs.
// An implementation's own test file opens it and calls objectStoreConformance; the cases lie in the files beside.

import { after, before, describe } from 'node:test'
import type { GrantedTransfers, ObjectStore } from '#transport/ports.ts'
import { grantCases } from './object-store-grants.ts'
import { largeBodyCases } from './object-store-large.ts'
import { readCases } from './object-store-reads.ts'
import { uploadCases } from './object-store-uploads.ts'
import { writeCases } from './object-store-writes.ts'

export interface OpenedStore {
  readonly store: ObjectStore
  /** What a worker, who holds grants only, transfers by. */
  readonly transfers: GrantedTransfers
  /** Another client of the same objects, as another process would open it. */
  another(): Promise<ObjectStore>
  /** A folder for downloads. */
  readonly scratch: string
  /** The largest body that this kind of store is to take, in bytes. */
  readonly largest: number
  close(): Promise<void>
}

/** Returns what is open while a test runs. */
export type Opened = () => OpenedStore

export function objectStoreConformance(name: string, open: () => Promise<OpenedStore>): void {
  describe(`object store: ${name}`, () => {
    let opened: OpenedStore | undefined
    before(async () => {
      opened = await open()
    })
    after(() => opened?.close())
    const get: Opened = () => {
      if (!opened) throw new Error('the store was not opened')
      return opened
    }
    describe('writes', () => writeCases(get))
    describe('reads', () => readCases(get))
    describe('grants', () => grantCases(get))
    describe('uploads', () => uploadCases(get))
    describe('large bodies', () => largeBodyCases(get))
  })
}
