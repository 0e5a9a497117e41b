// The guarantees of ObjectStore and of its grants, as tests that every implementation runs.
// An implementation's own test file opens it and calls objectStoreConformance; the object-store-*.ts files hold the cases.

import { after, before, describe } from 'node:test'
import { grantCases } from './object-store-grants.ts'
import { largeBodyCases } from './object-store-large.ts'
import { readCases } from './object-store-reads.ts'
import { uploadCases } from './object-store-uploads.ts'
import { writeCases } from './object-store-writes.ts'
import type { Opened, OpenedStore } from './opened-store.ts'

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
