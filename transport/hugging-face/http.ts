// Requests to a Hugging Face Hub or a mirror: the description of a file, and its bytes, which resume where a download broke off.
// Guarantees: the token goes to the endpoint's own origin only; a file gets its name only when it is complete and verified.
// Headers and hashes: huggingface_hub file_download.py (X-Repo-Commit, X-Linked-Etag, X-Linked-Size).
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { proxyFor } from '../proxy.ts'
import { checkTls } from '../tls.ts'
import {
  type HubAccess,
  type HubRepository,
  isMissingFile,
  Passing,
  refusal,
  retryPassing,
} from './refusals.ts'
import { type HubAnswer, type HubRequest, requestHub } from './request.ts'

/** The Hub's description of one file. */
export interface HubFile {
  /** The commit of the revision. */
  readonly commit: string
  /** Names the content: SHA-256 (64 digits, large files), SHA-1 of the git blob (40 digits), or a mirror's own name. */
  readonly etag: string
  /** Bytes; undefined where the server names no size. */
  readonly size: number | undefined
}

/** A repository, and how to ask for it. */
export interface HubSource {
  readonly repository: HubRepository
  readonly access: HubAccess
}

/** Milliseconds without data before the answer to a request for headers has failed. */
const HEADERS_MS = 30_000
/** Milliseconds without data before a body has failed. */
const BODY_MS = 300_000
/** Redirects that a request follows. */
const REDIRECTS = 10

/** The URL of a file on the Hub. */
export function resolveUrl({ endpoint, owner, name }: HubRepository, revision: string, file: string): string {
  return `${endpoint}/${owner}/${name}/resolve/${encodeURIComponent(revision)}/${file}`
}

/**
 * Asks for the description of a file; undefined where the repository has no such file.
 * Throws FedsamError CheckpointUnavailable (no such repository or revision, no access) or StorageUnreachable.
 */
export async function describeFile(source: HubSource, file: string): Promise<HubFile | undefined> {
  const { repository, access } = source
  const url = resolveUrl(repository, repository.revision, file)
  return retryPassing(url, access, async () => {
    const { headers, status } = await ask(url, source, { method: 'HEAD' })
    if (status === 404 && isMissingFile(headers)) return undefined
    if (status >= 400) throw refusal(repository, status, headers)
    const commit = headers.get('x-repo-commit')
    const etag = (headers.get('x-linked-etag') ?? headers.get('etag'))
      ?.replace(/^W\//, '')
      .replaceAll('"', '')
    if (!commit || !/^[0-9a-f]{40}$/.test(commit) || !etag || !/^\w[\w.-]*$/.test(etag)) {
      throw new FedsamError('BadCheckpoint', `${url} does not say which commit and content it has`, {
        remedy: 'Check that HF_ENDPOINT is a Hugging Face Hub or a mirror that passes its headers on.',
      })
    }
    const size = headers.get('x-linked-size') ?? headers.get('content-length')
    return { commit, etag, size: size === null ? undefined : Number(size) }
  })
}

/**
 * Downloads a file to `partial`, resumes a partial download, and verifies the file. Two processes may do so at the same time: they
 * write the same bytes to the same places. Deletes a file that does not verify, and fetches it once more.
 * Throws FedsamError BadCheckpoint (wrong content) or StorageUnreachable.
 */
export async function downloadFile(
  url: string,
  partial: string,
  file: HubFile,
  source: HubSource,
): Promise<void> {
  for (const last of [false, true]) {
    await retryPassing(url, source.access, () => fetchRest(url, partial, file, source))
    const found = await contentName(partial, file.etag)
    if (found === file.etag) return
    await rm(partial, { force: true })
    if (!last) continue
    throw new FedsamError('BadCheckpoint', `${url} has the content ${found}, not ${file.etag} as announced`, {
      remedy: 'Try again later, or fetch the checkpoint by hand and name its folder in checkpoint.uri.',
    })
  }
}

async function fetchRest(url: string, partial: string, file: HubFile, source: HubSource): Promise<void> {
  const target = await open(partial, constants.O_RDWR | constants.O_CREAT)
  try {
    const have = (await target.stat()).size
    if (file.size !== undefined && have >= file.size) return
    const answer = await askFrom(url, have, source)
    if (answer.status === 416) {
      await target.truncate()
      throw new Passing(`cannot resume at byte ${have}`)
    }
    const range = /^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')
    const from = answer.status === 206 ? Number(range?.[1] ?? have) : 0
    const size = file.size ?? from + Number(answer.headers.get('content-length') ?? 0)
    const reached = await writeBody(target, answer, from)
    if (reached < size)
      throw new Passing(`ended after ${reached} of ${size} bytes`, { progress: reached > have })
  } finally {
    await target.close()
  }
}

/** The answer with the bytes from `have` on, or with all bytes where the server supports no ranges, or 416. */
async function askFrom(url: string, have: number, source: HubSource): Promise<HubAnswer> {
  const range = have > 0 ? `bytes=${have}-` : undefined
  const answer = await ask(url, source, { method: 'GET', range })
  if (answer.status < 400 || answer.status === 416) return answer
  answer.drop()
  const { origin, host } = answer.url
  if (origin === originOf(source.repository)) throw refusal(source.repository, answer.status, answer.headers)
  // Signed addresses on other hosts expire. The next request to the Hub gets a new one.
  throw new Passing(`was refused by ${host} (${answer.status})`)
}

function originOf(repository: HubRepository): string {
  return new URL(repository.endpoint).origin
}

/** Writes the body from a position on. Returns the size of the file, also where the connection breaks. */
async function writeBody(target: FileHandle, { body }: HubAnswer, from: number): Promise<number> {
  let at = from
  const chunks = body[Symbol.asyncIterator]()
  for (;;) {
    const { value } = await chunks.next().catch(() => ({ value: undefined }))
    if (value === undefined) return at
    for (let written = 0; written < value.length; ) {
      written += (await target.write(value, written, value.length - written, at + written)).bytesWritten
    }
    at += value.length
  }
}

/** Sends a request and follows its redirects here, so that the token never reaches another origin. */
async function ask(
  url: string,
  { repository, access }: HubSource,
  request: { readonly method: 'HEAD' | 'GET'; readonly range?: string | undefined },
): Promise<HubAnswer> {
  const home = originOf(repository)
  let target = new URL(url)
  for (let redirects = 0; redirects < REDIRECTS; redirects++) {
    const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'fedsam' }
    if (request.range !== undefined) headers.range = request.range
    if (access.token !== undefined && target.origin === home) headers.authorization = `Bearer ${access.token}`
    if (access.requireTls) checkTls(target)
    const answer = await send(target, { method: request.method, headers, env: access.env })
    const location = answer.status >= 300 && answer.status < 400 ? answer.headers.get('location') : null
    // A redirect that already describes the file leads to its bytes elsewhere: a HEAD request needs no more.
    if (location === null || (request.method === 'HEAD' && answer.headers.has('x-linked-etag'))) return answer
    answer.drop()
    target = redirected(location, target)
  }
  throw new Passing(`redirects more than ${REDIRECTS} times`)
}

function redirected(location: string, from: URL): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined
  if (target && /^https?:$/.test(target.protocol)) return target
  throw new Passing('redirects to a location that is not a web address')
}

async function send(target: URL, request: Omit<HubRequest, 'silenceMs'>): Promise<HubAnswer> {
  const silenceMs = request.method === 'HEAD' ? HEADERS_MS : BODY_MS
  const answer = await requestHub(target, { ...request, silenceMs }).catch((cause: Error) => {
    if (cause instanceof FedsamError) throw cause
    const proxy = proxyFor(target, request.env)
    const through = proxy === undefined ? '' : ` through the proxy ${new URL(proxy).host}`
    throw new Passing(`cannot be reached${through}: ${cause.message}`, { cause })
  })
  if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) return answer
  answer.drop()
  throw new Passing(`answered ${answer.status}`)
}

/** The name of the content in the scheme of `etag`. Trusts the etag where its scheme is unknown. */
async function contentName(path: string, etag: string): Promise<string> {
  const isSha256 = /^[0-9a-f]{64}$/.test(etag)
  if (!isSha256 && !/^[0-9a-f]{40}$/.test(etag)) return etag
  const hash = createHash(isSha256 ? 'sha256' : 'sha1')
  if (!isSha256) hash.update(`blob ${(await stat(path)).size}\0`)
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}
