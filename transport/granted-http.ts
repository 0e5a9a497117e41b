// Redeems grants that are presigned URLs, over HTTP with connections kept open.
// Promises: what the service refuses is GrantRefused; what may pass is tried again, then FedsamError StorageUnreachable.
// Whether the bytes that came are the right ones is for the caller, who knows their digest.

import { setTimeout as sleep } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import { gather } from './chunks.ts'
import { beyondEnd, checkRange } from './key.ts'
import { type ByteRange, type Grant, GrantRefused } from './ports.ts'
import type { GrantScheme } from './scheme.ts'

export interface HttpOptions {
  /** How often a transfer is tried; the waits between double, from 100 ms. */
  readonly attempts?: number
}

export function httpScheme(options: HttpOptions = {}): GrantScheme {
  const attempts = options.attempts ?? 5
  return {
    async read(grant, range) {
      if (range) checkRange(placeOf(grant), range)
      if (range?.length === 0) return new Uint8Array(0)
      const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
      return persistently(grant, attempts, async () =>
        readBody(grant, await ask(grant, 'GET', { headers }), range),
      )
    },
    async open(grant, from) {
      const headers = from > 0 ? { range: `bytes=${from}-` } : undefined
      const response = await persistently(grant, attempts, () => ask(grant, 'GET', { headers }))
      const total = from > 0 ? response.headers.get('content-range')?.split('/')[1] : lengthOf(response)
      return { size: Number(total), chunks: bodyOf(response) }
    },
    async write(grant, body) {
      const response = await persistently(grant, attempts, () => ask(grant, 'PUT', { body }))
      await response.body?.cancel()
      return response.status === 412 ? 'Exists' : 'Created'
    },
  }
}

/** What may pass by itself: a broken connection, a service that is busy or restarting. */
class Passing extends Error {}

async function persistently<Result>(
  grant: Grant,
  attempts: number,
  run: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (cause) {
      if (!(cause instanceof Passing)) throw cause
      if (attempt >= attempts) {
        const remedy = 'check that the storage endpoint can be reached from here'
        const said = `${placeOf(grant)}: ${cause.message}`
        throw new FedsamError('StorageUnreachable', said, { cause, remedy })
      }
    }
    await sleep(100 * 2 ** (attempt - 1))
  }
}

/** URL without its query: a signature is nothing for logs. */
function placeOf(grant: Grant): string {
  const { origin, pathname } = new URL(grant.url)
  return origin + pathname
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array
}

async function ask(grant: Grant, method: Grant['method'], { headers, body }: Sent): Promise<Response> {
  if (grant.method !== method) throw new GrantRefused(`${placeOf(grant)}: the grant is for ${grant.method}`)
  const response = await fetch(grant.url, {
    method,
    headers: { ...grant.headers, ...headers },
    ...(body ? { body: body as Uint8Array<ArrayBuffer> } : {}),
    redirect: 'error',
  }).catch((error: Error) => {
    throw new Passing(error.cause instanceof Error ? error.cause.message : error.message, { cause: error })
  })
  const { status } = response
  if (response.ok || (status === 412 && method === 'PUT')) return response
  const said = `${placeOf(grant)}: ${status} ${codeOf(await response.text().catch(() => ''))}`
  if (status === 416) throw new RangeError(said)
  if (status >= 500 || status === 408 || status === 409 || status === 429) throw new Passing(said)
  throw new GrantRefused(said)
}

/** S3's own name of the error, from its XML. */
function codeOf(text: string): string {
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ''
}

function lengthOf(response: Response): number {
  return Number(response.headers.get('content-length') ?? Number.NaN)
}

async function readBody(grant: Grant, response: Response, range?: ByteRange): Promise<Uint8Array> {
  const length = lengthOf(response)
  if (range && (response.status !== 206 || length !== range.length)) {
    await response.body?.cancel()
    throw beyondEnd(placeOf(grant), range)
  }
  return gather(placeOf(grant), length, bodyOf(response)).catch((error: Error) => {
    throw new Passing(error.message, { cause: error })
  })
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body) yield* response.body
}
