// The key of a site: an Ed25519 key in a file that only its owner may read. The public half names the site in the jobs of a federation.
// Guarantees that the private half is never printed, and that an existing key is never replaced.
import { stat } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { keptSigningKey } from '#runtime/signing-key.ts'

/** The bits of a file's mode that give rights to its group and to others. */
const OTHERS = 0o077

/**
 * The key in this file; makes both where the file does not exist. Throws InvalidJob where the file holds no key, or where other users
 * may read it: then its owner may not be the only one who can speak for the site.
 */
export async function siteKey(file: string): Promise<SigningKey> {
  const key = await keptSigningKey(file).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof FedsamError) throw error
    throw new FedsamError('InvalidJob', `the key file ${file} cannot be written: ${error.message}`, {
      remedy: 'name a file in a folder that exists and belongs to this user',
      cause: error,
    })
  })
  const { mode } = await stat(file)
  if ((mode & OTHERS) === 0) return key
  throw new FedsamError('InvalidJob', `other users may read the key file ${file}`, {
    remedy: `chmod 600 ${file}; make a new key where others may have read this one`,
  })
}
