// The part of status.training about sites: whether each is connected, when it was last heard, and its version. A site without an entry never was. The
// status keeps the entries when the coordinator restarts. Pure.
import type { RunEvent } from '#protocol/events.ts'
import type { TrainingClients, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { timestamp } from '#protocol/timestamp.ts'

type Sites = NonNullable<TrainingClients['sites']>

/** Adds what is known about one site now. `now`: milliseconds since 1970. */
export function withSite(
  status: TrainingStatus,
  { client, publicKey, connected, silentSeconds, version }: Extract<RunEvent, { event: 'SiteConnection' }>,
  now: number,
): TrainingStatus {
  const sites = status.clients?.sites ?? []
  const before = sites.find((site) => site.name === client && site.publicKey === publicKey)
  const others = sites.filter(({ name }) => name !== client)
  const heard = silentSeconds === null ? before?.lastHeardTime : timestamp(now - silentSeconds * 1000)
  if (heard === undefined && others.length === sites.length) return status
  const spoken = version ?? before?.version
  const about = spoken === undefined ? {} : { version: spoken }
  const known =
    heard === undefined ? [] : [{ name: client, publicKey, connected, lastHeardTime: heard, ...about }]
  return withSites(status, [...others, ...known])
}

/** Forgets the sites that are not on the roster. */
export function withoutFormerSites(status: TrainingStatus, roster: readonly string[]): TrainingStatus {
  const sites = status.clients?.sites ?? []
  const present = new Set(roster)
  const left = sites.filter(({ name }) => present.has(name))
  return left.length === sites.length ? status : withSites(status, left)
}

function withSites(status: TrainingStatus, sites: Sites): TrainingStatus {
  const sorted = [...sites].sort((a, b) => (a.name < b.name ? -1 : 1))
  return { ...status, clients: { ...status.clients, sites: sorted } }
}
