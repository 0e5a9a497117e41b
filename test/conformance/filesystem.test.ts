import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { objectStoreConformance } from './object-store.ts'
import { LARGEST_BODY } from './opened-store.ts'

objectStoreConformance('filesystem', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'fedsam-folder-'))
  const another = () => openFilesystemStore({ folder: join(scratch, 'store') })
  const close = () => rm(scratch, { recursive: true })
  return {
    store: await another(),
    transfers: createGrantedTransfers(),
    another,
    scratch,
    largest: LARGEST_BODY,
    close,
  }
})
