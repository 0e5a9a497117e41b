// How a worker uses a grant: the URL's scheme decides who redeems it; downloads are resumed, whichever it is.
// Promises: no credential is needed or kept; a downloaded file has its name only when it is complete.

import { open, rename, stat } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { fileScheme } from './filesystem-grants.ts'
import { httpScheme } from './granted-http.ts'
import { type Grant, type GrantedTransfers, GrantRefused } from './ports.ts'
import type { GrantScheme } from './scheme.ts'

export interface TransferOptions {
  /** The memory store of this process, for grants of its own. */
  readonly memory?: { readonly scheme: GrantScheme }
  /** How often a transfer over HTTP is tried. */
  readonly attempts?: number
}

export function createGrantedTransfers(options: TransferOptions = {}): GrantedTransfers {
  const http = httpScheme(options)
  const schemes: Readonly<Record<string, GrantScheme | undefined>> = {
    'http:': http,
    'https:': http,
    'file:': fileScheme(),
    'memory:': options.memory?.scheme,
  }
  const schemeOf = (grant: Grant): GrantScheme => {
    const { protocol } = new URL(grant.url)
    const scheme = schemes[protocol]
    if (!scheme) throw new GrantRefused(`nobody here redeems grants of ${protocol}`)
    return scheme
  }
  return {
    read: async (grant, range) => schemeOf(grant).read(grant, range),
    write: async (grant, body) => schemeOf(grant).write(grant, body),
    download: async (grant, file) =>
      download(schemeOf(grant), grant, { file, attempts: options.attempts ?? 5 }),
  }
}

interface Target {
  readonly file: string
  readonly attempts: number
}

/** Into FILE.partial, where an earlier call may have left its beginning, then renamed. */
async function download(scheme: GrantScheme, grant: Grant, { file, attempts }: Target): Promise<number> {
  const partial = `${file}.partial`
  for (let failures = 0; ; ) {
    const had = await sizeOf(partial)
    const outcome = await append(scheme, grant, { partial, had })
    if (outcome === 'Complete') {
      await rename(partial, file)
      return sizeOf(file)
    }
    failures = (await sizeOf(partial)) > had ? 0 : failures + 1
    if (failures < attempts) continue
    const remedy = 'check that the storage endpoint can be reached from here'
    throw new FedsamError('StorageUnreachable', `${file}: its download breaks off at ${had} bytes`, {
      remedy,
    })
  }
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  )
}

/**
 * Goes on from the last byte that is there, which is asked for once more: so there is always something to ask for, and
 * a file that is longer than the object shows.
 */
async function append(
  scheme: GrantScheme,
  grant: Grant,
  { partial, had }: { readonly partial: string; readonly had: number },
): Promise<'Complete' | 'Broken'> {
  const from = Math.max(0, had - 1)
  const handle = await open(partial, had > 0 ? 'r+' : 'w')
  try {
    const { size, chunks } = await scheme.open(grant, from)
    const end = await writeFrom(handle, from, chunks)
    if (end > size) await handle.truncate(0)
    return end === size ? 'Complete' : 'Broken'
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    await handle.truncate(0) // not the beginning of this object
    return 'Broken'
  } finally {
    await handle.close()
  }
}

async function writeFrom(
  handle: Awaited<ReturnType<typeof open>>,
  from: number,
  chunks: AsyncIterable<Uint8Array>,
): Promise<number> {
  const source = chunks[Symbol.asyncIterator]()
  for (let at = from; ; ) {
    const next = await source.next().catch(() => undefined) // a broken connection: what came is kept
    if (next === undefined || next.done) return at
    await handle.write(next.value, 0, next.value.byteLength, at)
    at += next.value.byteLength
  }
}
