// Reports when a site connects, which version it speaks, and when it falls silent: nobody else sees a site, since it has no pod. It compares with what it reported
// last, so each change is one event. After a restart of the coordinator a site is silent only when the silence limit has passed.
import type { Observer } from '#protocol/events.ts'
import type { Clock } from '#runtime/clock.ts'
import type { LiveSettings } from '../settings/settings.ts'
import type { Presence } from './presence.ts'

export interface SiteWatch {
  /** Reports what has changed since the last call. */
  report(): void
}

interface WatchContext {
  readonly live: () => LiveSettings
  readonly presence: Pick<Presence, 'isHeard' | 'isLost' | 'last'>
  readonly clock: Pick<Clock, 'now'>
  readonly observe: Observer
}

export function watchSites({ live, presence, clock, observe }: WatchContext): SiteWatch {
  const began = clock.now()
  const reported = new Map<string, string>()
  return {
    report() {
      for (const { name: client, publicKey = '' } of live().members) {
        const connected = presence.isHeard(client)
        if (publicKey === '' || !(connected || presence.isLost(client, began))) continue
        const last = presence.last(client)
        const version = last?.version ?? null
        const state = `${publicKey} ${connected} ${version}`
        if (reported.get(client) === state) continue
        reported.set(client, state)
        const silentSeconds = last === undefined ? null : Math.max(0, clock.now() - last.at)
        observe({ event: 'SiteConnection', client, publicKey, connected, silentSeconds, version })
      }
    },
  }
}
