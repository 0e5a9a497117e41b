// The agent of a site in one federation: one connection, and one worker for each run in which the site takes part. Guarantees that after
// each connect the workers are those of the runs that the server names: new runs start, runs that are gone stop and lose their files. A
// connection may be down for any time.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { ClientPlace } from '#protocol/messages.ts'
import { siteInbox, USER_INFO_SUBJECT } from '#protocol/sites.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import { type MessageBus, NoAnswer } from '#transport/ports.ts'
import type { RunOver } from '#worker/network/answers.ts'
import { messageWithRemedy } from '#worker/network/error-message.ts'
import { changesOf, placeText, readUserInfo, type UserInfo } from './discovery.ts'
import { type SiteWorkerOptions, serveSiteRun } from './site-worker.ts'

export interface AgentOptions extends Omit<SiteWorkerOptions, 'place' | 'bus'> {
  /** Connects to the bus, and ends a connect that is under way when the agent's signal aborts. */
  readonly connect: (line: LineEvents) => Promise<MessageBus>
  /** Seconds without an admission after which the workers stop. */
  readonly refusedSeconds?: number
  /** Milliseconds since 1970, to compare with the server's clock. */
  readonly wallTime: () => number
  /** Called when a run needs no more of this site. */
  readonly onEnded?: (ended: RunEnd) => void
}

/** What the agent hears of its connection. */
export interface LineEvents {
  /** After each connect, the first one too. */
  readonly onConnected: () => void
  /** The server refuses the key at a later connect. */
  readonly onNotAdmitted: () => void
}

/** How a run ended for this site. Gone: the server names it no more, because its job was deleted, or names another key. */
export type RunEnd =
  | ({ readonly kind: 'Finished'; readonly place: ClientPlace } & RunOver)
  | { readonly kind: 'Failed'; readonly place: ClientPlace; readonly error: unknown }
  | { readonly kind: 'Gone'; readonly place: ClientPlace }

/** Seconds between tries to connect, and to ask for the runs. */
const BACKOFF = { first: 0.5, longest: 30 }
/** Seconds: a gate that restarts refuses every key, and is back sooner. */
const REFUSED_SECONDS = 300
/** Milliseconds that the server has for its answer. */
const INFO_MS = 5000
/** Milliseconds of difference between the clocks, and of its changes, above which a line says so. */
const SKEW_MS = 60_000

interface Worker {
  readonly place: ClientPlace
  readonly stop: AbortController
  /** Resolves when it has ended, and its files are gone if its run is. */
  ended: Promise<void>
  /** Whether it ended by itself. */
  isOver: boolean
}

/** Serves every run of the listed jobs until the signal aborts; then ends the trainers, and says to each run that its client stops. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { log, signal, wallTime } = options
  const workers = new Map<string, Worker>()
  const compareClocks = skewLog(log, wallTime)
  let connects = 0
  let news = Promise.withResolvers<void>()
  const admission = watchAdmission(options, () => suspend(options, workers))
  const bus = await connected(options, {
    onConnected() {
      connects += 1
      admission.admitted()
      news.resolve()
    },
    onNotAdmitted: admission.refused,
  })
  if (bus === undefined) return
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  void stopped.then(() => news.resolve())
  try {
    for (let seen = 0; !signal.aborted; ) {
      await news.promise
      news = Promise.withResolvers()
      if (signal.aborted) break
      if (seen === connects) continue
      seen = connects
      const info = await Promise.race([runsOf(options, bus, () => seen !== connects), stopped])
      if (info === undefined) continue
      compareClocks(info)
      apply({ ...options, bus }, workers, info)
    }
  } finally {
    for (const { stop } of workers.values()) stop.abort()
    await Promise.all([...workers.values()].map(({ ended }) => ended))
    await bus.close()
  }
}

/** The bus, after tries without end; undefined where the signal aborts first. */
async function connected(
  { connect, clock, log, signal }: AgentOptions,
  line: LineEvents,
): Promise<MessageBus | undefined> {
  let said = ''
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      return await connect(line)
    } catch (error) {
      if (signal.aborted) return undefined
      if (!(error instanceof FedsamError) || error.code !== 'MessagingUnreachable') throw error
      const why = messageWithRemedy(error)
      if (why !== said) log(`not connected: ${why}; the site tries again`)
      said = why
    }
    await clock.sleep(pauseAfter(failures, BACKOFF), signal)
  }
  return undefined
}

/** Asks the server until it answers; undefined where a later connect makes the question obsolete. */
async function runsOf(
  { key, clock, log, signal }: AgentOptions,
  bus: MessageBus,
  isObsolete: () => boolean,
): Promise<UserInfo | undefined> {
  for (let failures = 1; !signal.aborted && !isObsolete(); failures += 1) {
    try {
      const inbox = siteInbox(key.publicKey)
      const answer = await bus.request(USER_INFO_SUBJECT, new Uint8Array(), { timeoutMs: INFO_MS, inbox })
      const info = readUserInfo(answer)
      if (info !== undefined) return info
      log('the server answers nothing about the permissions of this connection that can be read')
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
    }
    await clock.sleep(pauseAfter(failures, BACKOFF), signal)
  }
  return undefined
}

/** Says how far this clock is from the server's: once, and again where the difference changes. Nothing else depends on this clock. */
function skewLog(log: AgentOptions['log'], wallTime: () => number) {
  let said = 0
  return ({ serverTime }: UserInfo): void => {
    if (serverTime === undefined) return
    const ahead = wallTime() - serverTime
    if (Math.abs(ahead - said) <= SKEW_MS) return
    said = ahead
    const seconds = Math.round(Math.abs(ahead) / 1000)
    if (Math.abs(ahead) <= SKEW_MS) log('this clock agrees with that of the server again')
    else log(`this clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} that of the server`)
  }
}

/** Why a worker stops although its run continues, or is gone. */
const GONE = 'Gone'
const NOT_ADMITTED = 'NotAdmitted'

/** Calls `onLong` once where the server refuses the key for a long time. */
function watchAdmission(
  { clock, refusedSeconds = REFUSED_SECONDS }: Pick<AgentOptions, 'clock' | 'refusedSeconds'>,
  onLong: () => void,
) {
  let since: number | undefined
  let isLong = false
  return {
    admitted() {
      since = undefined
      isLong = false
    },
    refused() {
      since ??= clock.now()
      if (isLong || clock.now() - since < refusedSeconds) return
      isLong = true
      onLong()
    },
  }
}

/** Stops the workers that still serve: nobody may ask them for anything. Their runs start again where the server names them again. */
function suspend({ log }: AgentOptions, workers: Map<string, Worker>): void {
  log('the server does not admit this key any more: perhaps no job names it; the trainers stop until it does')
  for (const [name, worker] of workers) {
    if (worker.isOver || worker.stop.signal.aborted) continue
    worker.stop.abort(NOT_ADMITTED)
    worker.ended = worker.ended.finally(() => workers.delete(name))
  }
}

function apply(
  options: AgentOptions & { readonly bus: MessageBus },
  workers: Map<string, Worker>,
  { runs }: UserInfo,
): void {
  const places = [...workers.values()].map(({ place }) => place)
  const { start, stop } = changesOf(places, runs)
  for (const place of stop) {
    const name = placeText(place)
    const worker = workers.get(name)
    if (worker === undefined || worker.stop.signal.aborted) continue
    options.log(`the run ${place.uid} in ${place.namespace} has no place for this site any more`)
    worker.stop.abort(GONE)
    // Until then its name is taken: two workers of one client never run at once.
    worker.ended = worker.ended
      .then(() => rm(folderOf(options, place), { recursive: true, force: true }))
      .catch((error: Error) => options.log(`the files of the run ${place.uid} stay: ${error.message}`))
      .finally(() => workers.delete(name))
  }
  for (const place of start) workers.set(placeText(place), startWorker(options, place))
}

/** The models and the unfinished work of a run. */
function folderOf({ folder }: Pick<AgentOptions, 'folder'>, { uid, client }: ClientPlace): string {
  return join(folder, `${uid}.${client}`)
}

/** A worker whose run has ended stays in the map: the server names its run until the job is deleted. */
function startWorker(options: AgentOptions & { readonly bus: MessageBus }, place: ClientPlace): Worker {
  const { log, onEnded = () => {} } = options
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const folder = folderOf(options, place)
  const named = (line: string): void => log(`${place.client} in ${place.namespace}/${place.uid}: ${line}`)
  named('takes part')
  const serve = async (): Promise<void> => {
    try {
      const over = await serveSiteRun({ ...options, place, folder, log: named, signal })
      await rm(folder, { recursive: true, force: true }) // the models of a job that is over
      named(`finished: ${over.reason}`)
      onEnded({ kind: 'Finished', place, ...over })
    } catch (error) {
      if (signal.aborted) {
        named('stopped')
        if (stop.signal.reason === GONE) onEnded({ kind: 'Gone', place })
        return
      }
      named(`ended: ${messageWithRemedy(error)}`)
      onEnded({ kind: 'Failed', place, error })
    }
  }
  const worker: Worker = { place, stop, isOver: false, ended: serve() }
  void worker.ended.then(() => {
    worker.isOver = !stop.signal.aborted
  })
  return worker
}
