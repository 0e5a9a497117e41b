// The operator's signing key, from a mounted Secret: a mount needs no right on Secrets. The folder holds `seed`, and `next` while the
// key is being replaced: workers that start now trust both, so that they still believe coordinators after the replacement.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { OPERATOR } from '#protocol/environment.ts'
import { mountedSigningKey } from '#runtime/signing-key.ts'
import type { Settings } from './objects/settings.ts'

/** Throws InvalidJob where the folder has no seed, or a file of another length. */
export async function readSigning(folder: string): Promise<Pick<Settings, 'certifier' | 'trust'>> {
  const { name } = OPERATOR.signingFolder
  const certifier = await mountedSigningKey(join(folder, 'seed'), name)
  const file = join(folder, 'next')
  const hasNext = await access(file).then(
    () => true,
    () => false,
  )
  const next = hasNext ? [(await mountedSigningKey(file, name)).publicKey] : []
  return { certifier, trust: [certifier.publicKey, ...next] }
}
