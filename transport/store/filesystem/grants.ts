// Grants of a filesystem store: file: URLs that contain their terms, signed with a secret of the store. They protect nothing,
// since a program that can redeem such a grant can also write the file. But they restrict each program to its grants, so that a
// defect shows on a laptop already, and not first on S3.

import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { type FileHandle, link, readFile, unlink, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { makeFolders } from '#runtime/folders.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { GrantScheme } from '../../grants/scheme.ts'
import { holdToTerms } from '../../grants/terms.ts'
import { type Grant, GrantRefused, UploadGone, type WriteTerms } from '../../ports.ts'
import { beyondEnd, checkKey } from '../key.ts'
import { type Folder, internalPath, openKey, pathOf, readWithin, writeBody } from './files.ts'
import { addPart } from './uploads.ts'

/** Bytes of one read of a body. */
const CHUNK = 4 * 1024 * 1024

export function grantsOf(folder: Folder, now: () => number) {
  let secret: Promise<KeyObject> | undefined
  const ours = (): Promise<KeyObject> => {
    secret ??= secretOf(folder)
      .then(createSecretKey)
      .catch((error: unknown) => {
        secret = undefined
        throw error
      })
    return secret
  }
  const issue = async (
    method: Grant['method'],
    key: string,
    seconds: number,
    terms: Record<string, string>,
  ) => {
    const url = pathToFileURL(pathOf(folder, checkKey(key)))
    const expires = String(now() + seconds * 1000)
    const durable = folder.durable ? '1' : '0'
    url.search = String(new URLSearchParams({ root: folder.root, durable, expires, ...terms }))
    url.searchParams.set('signature', sign(await ours(), method, url))
    return { method, url: url.href, headers: {} }
  }
  return {
    async grantRead(key: string, seconds: number): Promise<Grant> {
      return issue('GET', key, seconds, {})
    },
    async grantWrite(key: string, { size, sha256 }: WriteTerms, seconds: number): Promise<Grant> {
      return issue('PUT', key, seconds, { size: String(size), sha256 })
    },
    async grantPart(key: string, upload: string, part: { number: number } & WriteTerms, seconds: number) {
      const { number, size, sha256 } = part
      return issue('PUT', key, seconds, { size: String(size), sha256, upload, part: String(number) })
    },
  }
}

/** Redeems file: grants of any folder that this process can reach. */
export function fileScheme(now: () => number = Date.now): GrantScheme {
  const secrets = new Map<string, KeyObject>()
  const verify = (grant: Grant, method: Grant['method']) => verifyGrant(grant, method, { now, secrets })
  return {
    async read(grant, range) {
      const { folder, key } = await verify(grant, 'GET')
      const body = await readWithin(folder, key, range)
      if (!body) throw new GrantRefused(`${key}: no such object exists`)
      return body
    },
    async open(grant, from, buffer) {
      const { folder, key } = await verify(grant, 'GET')
      const handle = await openKey(folder, key)
      const found = await handle?.stat()
      if (found?.isFile() && from <= found.size)
        return { size: found.size, chunks: chunksOf(handle!, { from, size: found.size, buffer }) }
      await handle?.close()
      if (found?.isFile()) throw beyondEnd(key, { offset: from, length: 0 })
      throw new GrantRefused(`${key}: no such object exists`)
    },
    async write(grant, body, digest) {
      const { folder, key, query } = await verify(grant, 'PUT')
      const terms = { size: Number(query.get('size')), sha256: query.get('sha256') ?? '' }
      holdToTerms(key, terms, body, digest)
      const upload = query.get('upload')
      if (upload === null) return writeBody(folder, key, body)
      await addPart(folder, { key, upload, number: Number(query.get('part')) }, { terms, bytes: body }).catch(
        refuse,
      )
      return 'Created'
    },
  }
}

function refuse(error: unknown): never {
  if (error instanceof UploadGone) throw new GrantRefused(error.message, { cause: error })
  throw error
}

interface Verifying {
  readonly now: () => number
  /** The secrets of folders, by their paths. */
  readonly secrets: Map<string, KeyObject>
}

async function verifyGrant(grant: Grant, method: Grant['method'], { now, secrets }: Verifying) {
  const url = new URL(grant.url)
  const query = url.searchParams
  const folder: Folder = { root: resolve(query.get('root') ?? ''), durable: query.get('durable') !== '0' }
  const signature = Buffer.from(query.get('signature') ?? '')
  query.delete('signature')
  const fits = (secret: KeyObject): boolean => {
    const wanted = Buffer.from(sign(secret, method, url))
    return signature.length === wanted.length && timingSafeEqual(signature, wanted)
  }
  const known = secrets.get(folder.root)
  if (known === undefined || !fits(known)) {
    // A folder that was deleted and created again has another secret.
    const bytes = await readFile(internalPath(folder, 'secret')).catch(() => randomBytes(32))
    const secret = createSecretKey(bytes)
    if (!fits(secret)) throw new GrantRefused(`${url.pathname}: the signature does not fit`)
    secrets.set(folder.root, secret)
  }
  if (now() > Number(query.get('expires'))) throw new GrantRefused(`${url.pathname}: the grant has expired`)
  return { folder, key: checkKey(relative(folder.root, fileURLToPath(url))), query }
}

function sign(secret: KeyObject, method: string, url: URL): string {
  return createHmac('sha256', secret).update(`${method} ${url.href}`).digest('hex')
}

/** The secret of the folder, created at the first grant and shared by every process that uses the folder. */
async function secretOf(folder: Folder): Promise<Buffer> {
  const path = internalPath(folder, 'secret')
  const known = await readFile(path).catch(() => undefined)
  if (known) return known
  await makeFolders(dirname(path))
  const draft = `${path}-${crypto.randomUUID()}`
  await writeFile(draft, randomBytes(32), { mode: 0o600 })
  await link(draft, path).catch(() => {}) // another process was faster: its secret counts
  await unlink(draft)
  return readFile(path)
}

/** The chunks of a file, each in the same buffer. A file that became shorter ends early: the reader counts the bytes. */
async function* chunksOf(
  handle: FileHandle,
  { from, size, buffer }: { readonly from: number; readonly size: number; readonly buffer: ReusedBuffer },
): AsyncGenerator<Uint8Array> {
  try {
    const chunk = buffer.subarray(Math.min(CHUNK, size - from))
    for (let at = from; at < size; ) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) return
      yield chunk.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await handle.close()
  }
}
