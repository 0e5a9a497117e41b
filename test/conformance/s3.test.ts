import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startS3 } from '#cli/run/servers/servers.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { objectStoreConformance } from './object-store.ts'
import { LARGEST_BODY } from './opened-store.ts'

objectStoreConformance('S3 (versitygw)', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'fedsam-s3-'))
  const server = await startS3({ folder: join(scratch, 'server'), bucket: 'fedsam', log: console.log })
  const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey }
  const open = () =>
    openS3Store({ bucket: 'fedsam', prefix: 'runs/one', endpoint: server.endpoint, credentials })
  const store = open()
  const close = async () => {
    await store.close()
    await server.stop()
    await rm(scratch, { recursive: true })
  }
  return {
    store,
    transfers: createGrantedTransfers(),
    another: async () => open(),
    scratch,
    largest: LARGEST_BODY,
    close,
  }
})
