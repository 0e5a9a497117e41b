// Which runs a site takes part in, as the server knows it: its answer about the permissions of the connection names each run's client.
// The answer is foreign data. Guarantees bounds on it, and that a run counts only where the site may both ask and hear the answers.
// A certificate decides later whether the run is one of a listed job. Pure.
import * as v from 'valibot'
import { decodeJson } from '#protocol/canonical.ts'
import { type ClientPlace, clientInbox, clientPlace, subjectPrefix } from '#protocol/messages.ts'
import { MOST_SITE_JOBS } from '#protocol/sites.ts'

/** Bytes, depth and values of an answer with 64 runs, with room for fields of later servers. */
const BOUNDS = { bytes: 128 * 1024, depth: 8, values: 4000 }
/** Subjects in one list of permissions. A site has two beside those of its runs. */
const MOST_SUBJECTS = 4 * MOST_SITE_JOBS

const Allowed = v.object({
  allow: v.pipe(v.array(v.pipe(v.string(), v.maxLength(512))), v.maxLength(MOST_SUBJECTS)),
})
const InfoSchema = v.object({
  server: v.object({ time: v.pipe(v.string(), v.maxLength(64)) }),
  data: v.object({ permissions: v.object({ publish: Allowed, subscribe: Allowed }) }),
})

export interface UserInfo {
  /** At most one per run and client, in the order of the answer. */
  readonly runs: readonly ClientPlace[]
  /** The server's clock, in milliseconds since 1970; undefined where the answer has none. */
  readonly serverTime: number | undefined
}

/** The answer of the server; undefined for anything else. */
export function readUserInfo(body: Uint8Array): UserInfo | undefined {
  const read = v.safeParse(InfoSchema, parsed(body))
  if (!read.success) return undefined
  const { server, data } = read.output
  const hears = new Set(data.permissions.subscribe.allow)
  const places = [...new Set(data.permissions.publish.allow)].map(clientPlace)
  const runs = places.filter((place) => place !== undefined).filter((place) => hears.has(inboxOf(place)))
  const time = Date.parse(server.time)
  return { runs: runs.slice(0, MOST_SITE_JOBS), serverTime: Number.isNaN(time) ? undefined : time }
}

function parsed(body: Uint8Array): unknown {
  try {
    return decodeJson(body, BOUNDS)
  } catch {
    return undefined
  }
}

function inboxOf({ namespace, uid, client }: ClientPlace): string {
  return `${clientInbox(subjectPrefix(namespace, uid), client)}.>`
}

/** Names a run's client in messages and in names of folders. */
export function placeText({ namespace, uid, client }: ClientPlace): string {
  return `${namespace}.${uid}.${client}`
}

/** Which of the wanted runs are new, and which of the served ones have ended. */
export function changesOf(
  served: readonly ClientPlace[],
  wanted: readonly ClientPlace[],
): { readonly start: readonly ClientPlace[]; readonly stop: readonly ClientPlace[] } {
  const missing = (from: readonly ClientPlace[], other: readonly ClientPlace[]): ClientPlace[] => {
    const names = new Set(other.map(placeText))
    return from.filter((place) => !names.has(placeText(place)))
  }
  return { start: missing(wanted, served), stop: missing(served, wanted) }
}
