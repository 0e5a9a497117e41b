import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { objectStoreConformance } from './object-store.ts'

objectStoreConformance('memory', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'fedsam-memory-'))
  const store = createMemoryStore()
  const transfers = createGrantedTransfers({ memory: store })
  // 64 MiB and not 5 GB: the body would have to fit the test machine's memory twice over.
  const largest = 64 * 1024 * 1024 + 1
  const close = () => rm(scratch, { recursive: true })
  return { store, transfers, another: async () => store, scratch, largest, close }
})
