// One look at one FederatedJob: from the cache once it shows what was written last, then decide, then act. The client that acts is
// watched, so that the next look knows what it must see first, and which names are taken by somebody else.
import { KIND } from '#protocol/api.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { Settings } from '../../objects/settings.ts'
import type { StoredJob } from '../../objects/shapes.ts'
import type { Observed } from '../../reconcile/contract.ts'
import { reconcile } from '../../reconcile/reconcile.ts'
import type { Cache } from '../cache/cache.ts'
import { act, ChildrenRefused } from './act.ts'
import { observe } from './observe.ts'
import type { OwnWrites } from './own-writes.ts'
import { readOne, type Witness, witnessed } from './recording-client.ts'
import { openProgress, type Progress } from './status-pace.ts'
import { openStrays, STRAY_MS, type Strays } from './unlabelled.ts'

export interface PassOptions {
  readonly settings: Settings
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Looks at a job; returns after how many milliseconds to look again though nothing changed. */
export type Pass = (job: string, signal: AbortSignal) => Promise<number | undefined>

export function openPass(
  client: KubernetesClient,
  { cache, ownWrites }: { readonly cache: Cache; readonly ownWrites: OwnWrites },
  { settings, now }: PassOptions,
): Pass {
  const strays = openStrays()
  const progress = openProgress()
  const refusals = new Map<string, readonly string[]>()
  const forget = (job: string): undefined => {
    for (const memory of [ownWrites, strays, progress]) memory.forget(job)
    refusals.delete(job)
  }
  return async (job, signal) => {
    const wait = ownWrites.waitFor(job, performance.now())
    if (wait !== 'Shown' && wait > 0) return wait
    const witness = witnessed(client, { job, signal, ownWrites, strays })
    const observed =
      wait === 'Shown'
        ? await observeCached({ cache, strays, client: witness.client, signal }, job, {
            settings,
            now: now(),
          })
        : await observeTruth(witness.client, job, { settings, now: now() })
    if (!observed) return forget(job)
    if (wait !== 'Shown') ownWrites.forget(job)
    const facts = { ...observed, refusals: refusals.get(job) ?? [] }
    refusals.delete(job)
    try {
      return await carryOut(witness, facts, { progress, ownWrites, now, strays, job })
    } catch (error) {
      if (error instanceof ChildrenRefused) refusals.set(job, error.refusals)
      throw error
    }
  }
}

async function carryOut(
  { client, isAgain }: Witness,
  observed: Observed,
  context: { progress: Progress; ownWrites: OwnWrites; now: () => number; strays: Strays; job: string },
): Promise<number | undefined> {
  const { progress, ownWrites, now, strays, job } = context
  const wanted = reconcile(observed)
  const { desired, afterMs } = progress.hold(job, observed.job, wanted, performance.now())
  await act(client, observed.job, desired, new Date(now()))
  if (desired.status) progress.written(job, performance.now())
  const { requeueAfterSeconds } = desired
  // The cache will show what was written; where it does not, this look is what finds out.
  const unshown = ownWrites.waitFor(job, performance.now())
  const moments = [
    isAgain() ? 0 : undefined,
    afterMs,
    unshown === 'Shown' ? undefined : unshown,
    requeueAfterSeconds === undefined ? undefined : requeueAfterSeconds * 1000,
    strays.of(job).length > 0 ? STRAY_MS : undefined,
  ].filter((moment) => moment !== undefined)
  return moments.length === 0 ? undefined : Math.min(...moments)
}

interface Moment {
  readonly settings: Settings
  readonly now: number
}

interface Sources {
  readonly cache: Cache
  readonly strays: Strays
  readonly client: KubernetesClient
  readonly signal: AbortSignal
}

async function observeCached(
  { cache, strays, client, signal }: Sources,
  job: string,
  { settings, now }: Moment,
): Promise<Observed | undefined> {
  const stored = cache.get(KIND, job)
  if (!stored) return undefined
  for (const { kind, metadata } of strays.due(job, performance.now())) {
    strays.drop(job, kind, metadata.name)
    const there = await readOne(client, { kind, ...metadata, signal })
    if (there) strays.add(job, there, performance.now())
  }
  const [children, pods] = [cache.childrenOf(job), cache.podsOf(job)]
  const shown = new Set(children.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
  const unshown = strays.of(job).filter(({ kind, metadata }) => !shown.has(`${kind}/${metadata.name}`))
  return {
    job: stored as unknown as StoredJob,
    children: [...children, ...unshown],
    pods,
    warnings: cache.warningsOf([...pods, ...children]),
    now,
    settings,
  }
}

function observeTruth(client: KubernetesClient, job: string, moment: Moment): Promise<Observed | undefined> {
  const [namespace, name] = job.split('/') as [string, string]
  return observe(client, { namespace, name }, moment)
}
