// How a worker uses grants: the scheme of a grant's URL decides which code redeems it, and downloads of every scheme resume.
// Guarantees: it needs and keeps no credential; a worker whose store is known sends nothing to another one; nobody
// follows a redirect; a downloaded file gets its name only when it is complete.

import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, rename, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { shortened } from '#protocol/text.ts'
import { writeFully } from '#runtime/file-bytes.ts'
import { hashFile } from '#runtime/file-digest.ts'
import { createReusedBuffer, type ReusedBuffer } from '#runtime/reused-buffer.ts'
import { type Downloaded, type Grant, type GrantedTransfers, GrantRefused } from '../ports.ts'
import { fileScheme } from '../store/filesystem/grants.ts'
import { httpScheme, type Line } from './http.ts'
import type { GrantScheme } from './scheme.ts'

/** The store of a site's federation, as the site's own file names it. */
export interface SiteStore extends Line {
  /** "https://host[:port]": grants for any other origin are refused. */
  readonly origin: string
}

interface TransferOptions {
  /**
   * What the URLs of grants must begin with; `https:` admits every host. Absent: this process shares its machine with the store, and
   * redeems every grant.
   */
  readonly stores?: readonly string[]
  /** A site's way to its store. It uses no other grant, and no proxy of the environment. */
  readonly site?: SiteStore
  /** The memory store of this process, for its own grants. */
  readonly memory?: { readonly scheme: GrantScheme }
  /** Tries of a transfer, and of a download without progress. */
  readonly attempts?: number
}

export function createGrantedTransfers(options: TransferOptions = {}): GrantedTransfers {
  const http = httpScheme({ ...options, ...(options.site ? { line: options.site } : {}) })
  const schemes: Readonly<Record<string, GrantScheme | undefined>> = {
    'http:': http,
    'https:': http,
    'file:': fileScheme(),
    'memory:': options.memory?.scheme,
  }
  const schemeOf = (grant: Grant): GrantScheme => {
    const url = new URL(grant.url)
    if (options.site) checkSiteGrant(grant, url, options.site)
    else if (options.stores) checkStore(url, options.stores)
    const { protocol } = url
    const scheme = schemes[protocol]
    if (!scheme) throw new GrantRefused(`this process cannot redeem grants of ${protocol}`)
    return scheme
  }
  return {
    read: async (grant, range) => schemeOf(grant).read(grant, range),
    write: async (grant, body, digest, tries) => schemeOf(grant).write(grant, body, digest, tries),
    download: async (grant, file, { buffer = createReusedBuffer(), most = Number.POSITIVE_INFINITY } = {}) =>
      download(schemeOf(grant), grant, { file, buffer, most, attempts: options.attempts ?? 5 }),
  }
}

function checkStore({ href, origin }: URL, stores: readonly string[]): void {
  if (stores.some((store) => href.startsWith(store))) return
  throw new GrantRefused(`this worker uses grants for ${stores.join(', ')} only, not for ${origin}`, {
    reason: 'ForeignAddress',
  })
}

/** The headers that a store signs. Another one could name another host, also to TLS, or another meaning of the body. */
const STORE_HEADERS = /^(if-none-match|content-length|content-type|x-amz-[a-z0-9-]+)$/

/** Throws GrantRefused for a grant that leads elsewhere than to the site's own store. */
function checkSiteGrant({ headers }: Grant, url: URL, { origin }: SiteStore): void {
  if (url.origin !== origin || url.username !== '' || url.password !== '') {
    const place = url.origin === 'null' ? url.protocol : url.origin
    throw new GrantRefused(`this site uses grants for ${origin} only, not for ${place}`, {
      reason: 'ForeignAddress',
    })
  }
  const foreign = Object.keys(headers).find((name) => !STORE_HEADERS.test(name.toLowerCase()))
  if (foreign === undefined) return
  throw new GrantRefused(`this site sends no header ${JSON.stringify(shortened(foreign, 80))} of a grant`, {
    reason: 'ForeignHeader',
  })
}

interface Target {
  readonly file: string
  readonly buffer: ReusedBuffer
  readonly most: number
  readonly attempts: number
}

/** Bytes of a regular file; 0 where it does not exist. Deletes anything else of that name. */
async function sizeOf(file: string): Promise<number> {
  const found = await lstat(file).catch(() => undefined)
  if (found === undefined || found.isFile()) return found?.size ?? 0
  await rm(file, { recursive: true, force: true })
  return 0
}

/** Another program may write to the folder: opening follows no link, and does not wait for the reader of a FIFO. */
const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
const FLAGS = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK

/** FILE.partial: its path, its size in bytes, and how many of them are in the hash. */
interface Partial {
  readonly path: string
  size: number
  hash: Hash
  hashed: number
}

/** Downloads into FILE.partial, which may hold the beginning from an earlier call, then renames it. */
async function download(
  scheme: GrantScheme,
  grant: Grant,
  { file, buffer, most, attempts }: Target,
): Promise<Downloaded> {
  const path = `${file}.partial`
  const size = await sizeOf(path)
  const hash = createHash('sha256')
  // The next request reads the last byte again.
  const partial: Partial = { path, size, hash, hashed: size > 1 ? await hashFile(path, hash, size - 1) : 0 }
  for (let failures = 0; ; ) {
    const had = partial.size
    const expired = (error: unknown): never => {
      if (!(error instanceof GrantRefused) || partial.size <= size) throw error
      throw new GrantRefused(error.message, { cause: error, reason: error.reason, progressed: true })
    }
    if ((await append(scheme, grant, { partial, buffer, most }).catch(expired)) === 'Complete') {
      await rename(path, file)
      return { size: partial.size, sha256: partial.hash.digest('hex') }
    }
    failures = partial.size > had ? 0 : failures + 1
    if (failures < attempts) continue
    const remedy = 'check that the storage endpoint can be reached from here'
    throw new FedsamError('StorageUnreachable', `${file}: the download breaks off at ${had} bytes`, {
      remedy,
    })
  }
}

/**
 * Resumes at the last byte of the partial file, and reads that byte again. So every request has a byte to ask for, and a file that
 * is longer than the object is found out.
 */
async function append(
  scheme: GrantScheme,
  grant: Grant,
  { partial, buffer, most }: { readonly partial: Partial } & Pick<Target, 'buffer' | 'most'>,
): Promise<'Complete' | 'Broken'> {
  const from = Math.max(0, partial.size - 1)
  const handle = await open(partial.path, FLAGS)
  if (partial.size === 0) await handle.truncate(0)
  const restart = async (): Promise<void> => {
    await handle.truncate(0)
    partial.hash = createHash('sha256')
    partial.size = 0
    partial.hashed = 0
  }
  try {
    const { size, chunks } = await scheme.open(grant, from, buffer)
    if (size > most) throw tooLong(partial, most)
    await writeFrom(handle, from, { partial, chunks, most })
    if (partial.size > size) await restart()
    return partial.hashed === size ? 'Complete' : 'Broken'
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    await restart() // the file is not the beginning of this object
    return 'Broken'
  } finally {
    await handle.close()
  }
}

/** A store that sends more than the object has could fill the disk. */
function tooLong({ path }: Partial, most: number): FedsamError {
  return new FedsamError(
    'RecordDamaged',
    `the store sends more than the ${most} bytes of ${basename(path, '.partial')}`,
  )
}

async function writeFrom(
  handle: Awaited<ReturnType<typeof open>>,
  from: number,
  {
    partial,
    chunks,
    most,
  }: { readonly partial: Partial; readonly chunks: AsyncIterable<Uint8Array>; readonly most: number },
): Promise<void> {
  const source = chunks[Symbol.asyncIterator]()
  try {
    for (let at = from; ; ) {
      const next = await source.next().catch(() => undefined) // a broken connection: the received bytes stay
      if (next === undefined || next.done) return
      at += next.value.byteLength
      const added = at - partial.hashed
      if (added <= 0) continue
      // The hash gets the written bytes, and no others.
      const fresh = next.value.subarray(next.value.byteLength - added)
      await writeFully(handle, fresh, partial.hashed)
      partial.hash.update(fresh)
      partial.hashed = at
      partial.size = Math.max(partial.size, at)
      if (at > most) throw tooLong(partial, most)
    }
  } finally {
    await source.return?.()
  }
}
