// Grants of a filesystem store: file: URLs that carry their terms, signed by a secret of the store.
// Among programs of one user this is a convention, not a protection: whoever can redeem such a grant can also write the
// file. It still holds each program to what it was granted, so that a mistake shows here and not first on S3.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Folder, internalPath, pathOf, publish, readWithin, writeTemporary } from './filesystem-files.ts'
import { addPart } from './filesystem-uploads.ts'
import { beyondEnd, checkKey } from './key.ts'
import { type Grant, GrantRefused, UploadGone, type WriteTerms } from './ports.ts'
import type { GrantScheme } from './scheme.ts'
import { holdToTerms } from './terms.ts'

const BLOCK = 1 << 20

export function grantsOf(folder: Folder, now: () => number) {
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
    url.searchParams.set('signature', sign(await secretOf(folder), method, url))
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
  return {
    async read(grant, range) {
      const { folder, key } = await verify(grant, 'GET', now)
      const body = await readWithin(folder, key, range)
      if (!body) throw new GrantRefused(`${key}: there is no such object to read`)
      return body
    },
    async open(grant, from) {
      const { folder, key } = await verify(grant, 'GET', now)
      const found = await stat(pathOf(folder, key)).catch(() => undefined)
      if (!found?.isFile()) throw new GrantRefused(`${key}: there is no such object to read`)
      if (from > found.size) throw beyondEnd(key, { offset: from, length: 0 })
      return { size: found.size, chunks: chunksOf(folder, key, { from, size: found.size }) }
    },
    async write(grant, body) {
      const { folder, key, query } = await verify(grant, 'PUT', now)
      const terms = { size: Number(query.get('size')), sha256: query.get('sha256') ?? '' }
      holdToTerms(key, terms, body)
      const upload = query.get('upload')
      if (upload === null) return publish(folder, await writeTemporary(folder, [body]), key)
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

async function verify(grant: Grant, method: Grant['method'], now: () => number) {
  const url = new URL(grant.url)
  const query = url.searchParams
  const folder: Folder = { root: resolve(query.get('root') ?? ''), durable: query.get('durable') !== '0' }
  const signature = Buffer.from(query.get('signature') ?? '')
  query.delete('signature')
  const secret = await readFile(internalPath(folder, 'secret')).catch(() => undefined)
  const wanted = Buffer.from(sign(secret ?? randomBytes(32), method, url))
  if (signature.length !== wanted.length || !timingSafeEqual(signature, wanted)) {
    throw new GrantRefused(`${url.pathname}: the signature does not fit`)
  }
  if (now() > Number(query.get('expires'))) throw new GrantRefused(`${url.pathname}: the grant has expired`)
  return { folder, key: checkKey(relative(folder.root, fileURLToPath(url))), query }
}

function sign(secret: Buffer, method: string, url: URL): string {
  return createHmac('sha256', secret).update(`${method} ${url.href}`).digest('hex')
}

/** Made at the first grant, the same for every process that uses the folder. */
async function secretOf(folder: Folder): Promise<Buffer> {
  const path = internalPath(folder, 'secret')
  const known = await readFile(path).catch(() => undefined)
  if (known) return known
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}-${crypto.randomUUID()}`
  await writeFile(draft, randomBytes(32), { mode: 0o600 })
  await link(draft, path).catch(() => {}) // somebody was faster: theirs is the secret
  await unlink(draft)
  return readFile(path)
}

async function* chunksOf(folder: Folder, key: string, { from, size }: { from: number; size: number }) {
  for (let offset = from; offset < size; offset += BLOCK) {
    const body = await readWithin(folder, key, { offset, length: Math.min(BLOCK, size - offset) })
    if (!body) return // deleted meanwhile: the body ends early, and whoever reads counts
    yield body
  }
}
