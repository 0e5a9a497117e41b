// Lists a kind and follows it: every change calls `changed`. A watch goes on at the newest resourceVersion (bookmarks move it on);
// one that is gone (410) begins with a list again; failures back off. Handlers only note keys, so nothing is kept here.
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubernetesClient } from '#transport/kubernetes.ts'
import type { Metadata } from '../reconcile/objects.ts'

export interface WatchOptions {
  /** Path of the list, of one namespace or of all. */
  readonly path: string
  readonly changed: (metadata: Metadata) => void
  /** The first list is done. */
  readonly listed: () => void
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
}

interface Notice {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: { readonly metadata: Metadata; readonly code?: number; readonly message?: string }
}

interface List {
  readonly metadata: { readonly resourceVersion: string }
  readonly items: readonly { readonly metadata: Metadata }[]
}

/** The server ends a watch after so long; one that is silent for longer is dead. */
const WATCH_SECONDS = 300
const LONGEST_PAUSE_MS = 30_000

/** Runs until the signal says stop. */
export async function watch(client: KubernetesClient, options: WatchOptions): Promise<void> {
  const { signal } = options
  let failures = 0
  while (!signal.aborted) {
    try {
      await listAndFollow(client, options, () => {
        failures = 0
      })
    } catch (error) {
      if (signal.aborted) return
      options.onError(error)
      const pause = Math.min(500 * 2 ** failures++, LONGEST_PAUSE_MS)
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    }
  }
}

async function listAndFollow(
  client: KubernetesClient,
  { path, changed, listed, signal }: WatchOptions,
  worked: () => void,
): Promise<void> {
  const list = await client.call<List>({ method: 'GET', path, signal })
  for (const { metadata } of list.items) changed(metadata)
  listed()
  let version = list.metadata.resourceVersion
  while (!signal.aborted) {
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${version}`
    const notices = client.lines<Notice>({ path: `${path}?${query}`, signal }, WATCH_SECONDS + 30)
    for await (const { type, object } of notices) {
      if (type === 'ERROR') throw new Error(`the watch of ${path} ended: ${object.code} ${object.message}`)
      version = object.metadata.resourceVersion ?? version
      worked()
      if (type !== 'BOOKMARK') changed(object.metadata)
    }
    // A server that ends every watch at once is not asked in a loop.
    await sleep(1000, undefined, { signal })
  }
}
