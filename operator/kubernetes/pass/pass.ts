// One pass over one FederatedJob: observe, reconcile, act. It observes the cache once the cache shows the writes of
// the pass before (own-writes.ts), else the API server itself. Its client records what the next pass must know
// (recording-client.ts).
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
import type { Work } from './queue.ts'
import { openRecordingClient, type RecordingClient, readOne } from './recording-client.ts'
import { openStatusPace, type StatusPace } from './status-pace.ts'
import { openUnlabelled, REREAD_MS, type UnlabelledObjects } from './unlabelled.ts'

export interface PassOptions {
  readonly settings: Settings
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * The work of the queue. Keeps little for each job: expected writes, unlabelled objects, the pace of its status,
 * rejected children.
 */
export function openPass(
  client: KubernetesClient,
  { cache, ownWrites }: { readonly cache: Cache; readonly ownWrites: OwnWrites },
  { settings, now }: PassOptions,
): Work {
  const unlabelled = openUnlabelled()
  const pace = openStatusPace()
  const refusals = new Map<string, readonly string[]>()
  const forget = (job: string): undefined => {
    for (const memory of [ownWrites, unlabelled, pace]) memory.forget(job)
    refusals.delete(job)
  }
  return async (job, signal) => {
    const wait = ownWrites.waitFor(job, performance.now())
    if (wait !== 'Shown' && wait > 0) return wait
    const recording = openRecordingClient(client, { job, signal, ownWrites, unlabelled })
    const moment = { settings, now: now() }
    const observed =
      wait === 'Shown'
        ? await observeCache({ cache, unlabelled, client: recording.client, signal }, job, moment)
        : await observeServer(recording.client, job, moment)
    if (!observed) return forget(job)
    if (wait !== 'Shown') ownWrites.forget(job)
    const facts = { ...observed, refusals: refusals.get(job) ?? [] }
    refusals.delete(job)
    try {
      return await carryOut(recording, facts, { pace, ownWrites, now, unlabelled, job })
    } catch (error) {
      if (error instanceof ChildrenRefused) refusals.set(job, error.refusals)
      throw error
    }
  }
}

/** Reconciles and acts. Returns after how many milliseconds the next pass is due without an event. */
async function carryOut(
  { client, mustRepeat }: RecordingClient,
  observed: Observed,
  context: {
    pace: StatusPace
    ownWrites: OwnWrites
    now: () => number
    unlabelled: UnlabelledObjects
    job: string
  },
): Promise<number | undefined> {
  const { pace, ownWrites, now, unlabelled, job } = context
  const { desired, afterMs } = pace.hold(job, observed.job, reconcile(observed), performance.now())
  await act(client, observed.job, desired, new Date(now()))
  if (desired.status) pace.written(job, performance.now())
  const { requeueAfterSeconds } = desired
  // The event of the write starts the next pass. If it never comes, this timer does.
  const unshown = ownWrites.waitFor(job, performance.now())
  const delays = [
    mustRepeat() ? 0 : undefined,
    afterMs,
    unshown === 'Shown' ? undefined : unshown,
    requeueAfterSeconds === undefined ? undefined : requeueAfterSeconds * 1000,
    unlabelled.of(job).length > 0 ? REREAD_MS : undefined,
  ].filter((delay) => delay !== undefined)
  return delays.length === 0 ? undefined : Math.min(...delays)
}

interface Moment {
  readonly settings: Settings
  readonly now: number
}

interface Sources {
  readonly cache: Cache
  readonly unlabelled: UnlabelledObjects
  readonly client: KubernetesClient
  readonly signal: AbortSignal
}

/** What the cache shows, and the unlabelled objects, which it cannot show. Undefined where the job does not exist. */
async function observeCache(
  { cache, unlabelled, client, signal }: Sources,
  job: string,
  { settings, now }: Moment,
): Promise<Observed | undefined> {
  const stored = cache.get(KIND, job)
  if (!stored) return undefined
  for (const { kind, metadata } of unlabelled.due(job, performance.now())) {
    unlabelled.drop(job, kind, metadata.name)
    const there = await readOne(client, { kind, ...metadata, signal })
    if (there) unlabelled.add(job, there, performance.now())
  }
  const [children, pods] = [cache.childrenOf(job), cache.podsOf(job)]
  const shown = new Set(children.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
  const others = unlabelled.of(job).filter(({ kind, metadata }) => !shown.has(`${kind}/${metadata.name}`))
  return {
    job: stored as unknown as StoredJob,
    children: [...children, ...others],
    pods,
    warnings: cache.warningsOf([...pods, ...children]),
    now,
    settings,
  }
}

function observeServer(client: KubernetesClient, job: string, moment: Moment): Promise<Observed | undefined> {
  const [namespace, name] = job.split('/') as [string, string]
  return observe(client, { namespace, name }, moment)
}
