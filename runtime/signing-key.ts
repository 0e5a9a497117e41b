// Keys that sign: new ones from the machine's random source, and kept ones from a file. Guarantees that a file with a key is readable
// by its owner only, and never half written.
import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { SEED_BYTES, type SigningKey, signingKeyOf } from '#protocol/signatures.ts'

/** A key that exists in this process only. */
export function newSigningKey(): SigningKey {
  return signingKeyOf(randomBytes(SEED_BYTES))
}

/** The key of this file; makes both where the file does not exist. Two processes that start at once get the same key. */
export async function keptSigningKey(file: string): Promise<SigningKey> {
  const kept = await readSeed(file)
  if (kept !== undefined) return signingKeyOf(kept)
  const temporary = `${file}.${randomBytes(8).toString('hex')}`
  try {
    await writeFile(temporary, randomBytes(SEED_BYTES), { mode: 0o600, flag: 'wx' })
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(temporary, { force: true })
  }
  return signingKeyOf((await readSeed(file))!)
}

/** The key of a mounted file that holds a seed. Throws InvalidJob where the file cannot be read, or has another length. */
export async function mountedSigningKey(file: string, variable: string): Promise<SigningKey> {
  const seed = await readSeed(file)
  if (seed !== undefined) return signingKeyOf(seed)
  throw new FedsamError('InvalidJob', `the file ${file} with the signing key (${variable}) does not exist`, {
    remedy: "mount the Secret with the operator's signing key there; docs/how-to-install.md describes it",
  })
}

async function readSeed(file: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw unusable(`the file ${file} cannot be read: ${error.message}`, error)
  })
  if (bytes === undefined || bytes.length === SEED_BYTES) return bytes
  throw unusable(`the file ${file} has ${bytes.length} bytes; a key has ${SEED_BYTES}`)
}

function unusable(message: string, cause?: unknown): FedsamError {
  const remedy = 'delete the file, or put 32 random bytes there'
  return new FedsamError('InvalidJob', message, cause === undefined ? { remedy } : { remedy, cause })
}
