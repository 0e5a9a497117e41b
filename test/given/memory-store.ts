// An object store in this process's memory, for tests and for runs that keep nothing.
// Promises: all of transport/ports.ts; bodies are copied in and out, so that nobody can change an object that is there (by
// `new Uint8Array`: the slice of a Buffer is no copy).
// Grants are tickets of this store: only `scheme` of the same store redeems them.

import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { gather } from '#runtime/chunks.ts'
import type { GrantScheme } from '#transport/grants/scheme.ts'
import { holdToTerms } from '#transport/grants/terms.ts'
import {
  type ByteRange,
  type Grant,
  GrantRefused,
  type ObjectStore,
  UploadGone,
  type WriteTerms,
  type Written,
} from '#transport/ports.ts'
import { beyondEnd, checkKey, rangeWithin } from '#transport/store/key.ts'

export interface MemoryStore extends ObjectStore {
  /** Redeems this store's grants; goes into grantedTransfers. */
  readonly scheme: GrantScheme
}

interface Ticket {
  readonly method: 'GET' | 'PUT'
  readonly key: string
  readonly expires: number
  readonly terms?: WriteTerms
  readonly part?: { readonly upload: string; readonly number: number }
}

interface Upload {
  readonly key: string
  readonly parts: Map<number, Uint8Array>
}

interface Contents {
  readonly objects: Map<string, Uint8Array>
  readonly uploads: Map<string, Upload>
  readonly tickets: Map<string, Ticket>
  readonly now: () => number
}

/** An empty store. `now` (milliseconds) decides whether a grant has expired. */
export function createMemoryStore(options: { readonly now?: () => number } = {}): MemoryStore {
  const contents: Contents = {
    objects: new Map(),
    uploads: new Map(),
    tickets: new Map(),
    now: options.now ?? Date.now,
  }
  return { description: 'memory', ...objects(contents), ...multipart(contents), scheme: schemeOf(contents) }
}

function objects(contents: Contents) {
  return {
    async get(key: string, range?: ByteRange) {
      const body = contents.objects.get(checkKey(key))
      return body && part(key, body, range)
    },
    async size(key: string) {
      return contents.objects.get(checkKey(key))?.byteLength
    },
    async put(key: string, body: Uint8Array) {
      return create(contents, key, new Uint8Array(body))
    },
    async write(key: string, size: number, chunks: AsyncIterable<Uint8Array>) {
      checkKey(key)
      return create(contents, key, await gather(key, size, chunks))
    },
    async delete(key: string) {
      contents.objects.delete(checkKey(key))
    },
    async grantRead(key: string, seconds: number) {
      return issue(contents, { method: 'GET', key }, seconds)
    },
    async grantWrite(key: string, terms: WriteTerms, seconds: number) {
      return issue(contents, { method: 'PUT', key, terms }, seconds)
    },
    async list(prefix: string) {
      return [...contents.objects.keys()].filter((key) => key.startsWith(prefix)).slice(0, 1000)
    },
    async close() {},
  }
}

function part(key: string, body: Uint8Array, range?: ByteRange): Uint8Array {
  const { offset, length } = rangeWithin(key, body.byteLength, range)
  return body.slice(offset, offset + length)
}

function create(contents: Contents, key: string, body: Uint8Array): Written {
  if (contents.objects.has(checkKey(key))) return 'Exists'
  contents.objects.set(key, body)
  return 'Created'
}

function issue(contents: Contents, ticket: Omit<Ticket, 'expires'>, seconds: number): Grant {
  checkKey(ticket.key)
  for (const [old, { expires }] of contents.tickets) {
    if (expires > contents.now()) break // about in order of age: enough to stay small
    contents.tickets.delete(old)
  }
  const id = crypto.randomUUID()
  contents.tickets.set(id, { ...ticket, expires: contents.now() + seconds * 1000 })
  return { method: ticket.method, url: `memory:${ticket.key}?ticket=${id}`, headers: {} }
}

function multipart(contents: Contents) {
  const find = (key: string, id: string): Upload => {
    const upload = contents.uploads.get(id)
    if (upload?.key !== checkKey(key)) throw new UploadGone(`${key} has no open upload ${id}`)
    return upload
  }
  return {
    async openUpload(key: string) {
      const id = crypto.randomUUID()
      contents.uploads.set(id, { key: checkKey(key), parts: new Map() })
      return id
    },
    async grantPart(key: string, upload: string, part: { number: number } & WriteTerms, seconds: number) {
      const { number, ...terms } = part
      return issue(contents, { method: 'PUT', key, terms, part: { upload, number } }, seconds)
    },
    async openUploads(prefix: string) {
      return [...contents.uploads]
        .map(([upload, { key }]) => ({ key, upload }))
        .filter(({ key }) => key.startsWith(prefix))
    },
    async uploadedParts(key: string, upload: string) {
      const parts = [...find(key, upload).parts].sort(([a], [b]) => a - b)
      return parts.map(([number, body]) => {
        const digest = sha256(body)
        return { number, size: body.byteLength, tag: digest, sha256: digest }
      })
    },
    async completeUpload(key: string, upload: string, parts: readonly { number: number; tag: string }[]) {
      if (!contents.uploads.has(upload) && contents.objects.has(checkKey(key))) return 'Exists' as const
      const found = find(key, upload).parts
      const bodies = parts.map(({ number, tag }) => {
        const body = found.get(number)
        if (body && sha256(body) === tag) return body
        throw new FedsamError(
          'RecordDamaged',
          `part ${number} of ${key} is not the part that the completion names`,
        )
      })
      contents.uploads.delete(upload)
      return create(contents, key, new Uint8Array(Buffer.concat(bodies)))
    },
    async abortUpload(_key: string, upload: string) {
      contents.uploads.delete(upload)
    },
  }
}

function schemeOf(contents: Contents): GrantScheme {
  const redeem = (grant: Grant): Ticket => {
    const { pathname, searchParams } = new URL(grant.url)
    const ticket = contents.tickets.get(searchParams.get('ticket') ?? '')
    if (ticket?.key !== pathname) throw new GrantRefused(`${pathname}: not a grant of this store`)
    if (ticket.method !== grant.method)
      throw new GrantRefused(`${pathname}: the grant is for ${ticket.method}`)
    if (contents.now() > ticket.expires) throw new GrantRefused(`${pathname}: the grant has expired`)
    return ticket
  }
  const find = (grant: Grant): Uint8Array => {
    const { key, method } = redeem(grant)
    const body = method === 'GET' ? contents.objects.get(key) : undefined
    if (!body) throw new GrantRefused(`${key}: no such object exists`)
    return body
  }
  return {
    async read(grant, range) {
      return part(redeem(grant).key, find(grant), range)
    },
    async open(grant, from) {
      const body = find(grant)
      if (from > body.byteLength) throw beyondEnd(grant.url, { offset: from, length: 0 })
      return { size: body.byteLength, chunks: chunksOf(body.slice(from)) }
    },
    async write(grant, body, digest) {
      const { key, terms, part } = redeem(grant)
      if (!terms) throw new GrantRefused(`${key}: the grant is for reading`)
      holdToTerms(key, terms, body, digest)
      if (!part) return create(contents, key, new Uint8Array(body))
      const upload = contents.uploads.get(part.upload)
      if (upload?.key !== key) throw new GrantRefused(`${key}: its upload is not open any more`)
      upload.parts.set(part.number, new Uint8Array(body))
      return 'Created'
    },
  }
}

async function* chunksOf(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}
