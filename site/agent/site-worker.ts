// Serves one run for a site: reads what the job is, asks the site's rules, then trains as every worker does, over the shared bus.
// Guarantees that the certificate decides which job it is, that no program starts and no model is fetched before the rules allow it,
// and that a worker that fails starts again after longer and longer pauses, a bounded number of times.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { CoordinatorCertificate } from '#protocol/certificate.ts'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import { POD_EXITS, podExitCode } from '#protocol/exit-codes.ts'
import { type ClientPlace, subjectPrefix } from '#protocol/messages.ts'
import { BASE_CHECKPOINTS } from '#protocol/seam-files.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import type { JobName } from '#protocol/sites.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { makeFolders } from '#runtime/folders.ts'
import { type GrantedTransfers, GrantRefused, type MessageBus } from '#transport/ports.ts'
import type { RunOver } from '#worker/network/answers.ts'
import { fetchBase } from '#worker/network/base-checkpoint.ts'
import { serveRun } from '#worker/network/client.ts'
import { messageWithRemedy } from '#worker/network/error-message.ts'
import { type AskGrants, NotWanted } from '#worker/network/grants.ts'
import { childTrainer } from '#worker/trainer/process-trainer.ts'
import type { Decide, Decision } from './decision.ts'
import { createLateTrainer, type Release } from './late-trainer.ts'
import { readRunFile } from './run-file.ts'

export interface SiteWorkerOptions {
  readonly place: ClientPlace
  readonly bus: MessageBus
  readonly transfers: GrantedTransfers
  readonly key: SigningKey
  /** The keys of the federation: no other certifier is believed. */
  readonly trust: readonly string[]
  /** The jobs that the site listed. */
  readonly jobs: readonly JobName[]
  readonly decide: Decide
  /** Told once of a run of a job that the site did not list, before the worker ends. */
  readonly onUnlisted: (run: UnlistedRun) => Promise<void>
  /** Told of a coordinator that this site does not understand, once for each reason. The site tries again. */
  readonly onOtherVersion: (run: UnreadableRun) => Promise<void>
  /** The version of the conversation to speak; absent: that of this release. */
  readonly version?: number
  readonly release: Release | null
  /** For the run's cached models, its base checkpoint and its unfinished updates. */
  readonly folder: string
  /** The trainer is killed after that many seconds without output and processor time. */
  readonly noProgressSeconds: number
  readonly clock: Clock
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

/** A run that the server offers, and whose certificate names a job that the site did not list. */
export interface UnlistedRun {
  readonly place: ClientPlace
  readonly job: JobName
}

/** A run of a listed job whose coordinator speaks a version that this site does not understand. */
export interface UnreadableRun {
  readonly place: ClientPlace
  /** Both versions, and what to do. */
  readonly reason: string
}

/** Longest wait for one answer, in seconds; above the time for which a coordinator holds a request. */
const ANSWER_SECONDS = 60
/** Failures in a row before the worker gives up, as `fedsam run --processes` has it. */
const MOST_FAILURES = 10
/** Seconds that a worker must run so that its failure counts as the first one again. */
const WELL_SECONDS = 60
/** Seconds before it starts again. */
const BACKOFF = { first: 0.5, longest: 60 }
/** Seconds before another try to read run.json: a coordinator writes it at its start. */
const RETRY_SECONDS = 3
/**
 * Seconds before another try where the coordinator speaks another version: an upgrade of the federation cures it. Shorter than the
 * silence limit of a coordinator, which thus keeps showing the reason.
 */
const VERSION_SECONDS = 30
const FAREWELL = 'the site stopped its program'

/**
 * Serves the run until it is over; resolves to what the coordinator says of its end. Throws Interrupted; SiteRefused at once where the run is not
 * one of a listed job, and at its end where the site's rules refused the job; and the worker's error where it cannot go on.
 */
export async function serveSiteRun(options: SiteWorkerOptions): Promise<RunOver> {
  const { clock, log, signal } = options
  const pauseBefore = restarts(clock)
  for (;;) {
    const began = clock.now()
    let pause: number | undefined
    try {
      return await understoodLife(options)
    } catch (error) {
      pause = pauseBefore(error, began)
      if (signal.aborted || pause === undefined) throw error
      log(`${messageWithRemedy(error)}; the worker starts again`)
    }
    await clock.sleep(pause, signal)
    if (signal.aborted) throw new FedsamError('Interrupted', 'the worker was asked to stop')
  }
}

/** Seconds before the next start of a worker that began then and failed; undefined where it gives up. */
function restarts({ now }: Clock): (error: unknown, began: number) => number | undefined {
  let failures = 0
  let tries = 0
  return (error, began) => {
    const code = error instanceof FedsamError ? error.code : undefined
    if (now() - began > WELL_SECONDS) failures = tries = 0
    tries += 1
    // A store that is away, or behind a device that opens TLS, says nothing about this worker.
    if (code !== 'StorageUnreachable') failures += 1
    return isFinal(code) || failures >= MOST_FAILURES ? undefined : pauseAfter(tries, BACKOFF)
  }
}

/** One life. It begins again while this site does not understand the coordinator, without end: an upgrade of the federation cures it. */
async function understoodLife(options: SiteWorkerOptions): Promise<RunOver> {
  const { clock, log, signal, place } = options
  for (let said = ''; ; ) {
    try {
      return await oneLife(options)
    } catch (error) {
      if (!(error instanceof FedsamError) || error.code !== 'OtherVersion' || signal.aborted) throw error
      const reason = messageWithRemedy(error)
      if (reason !== said) {
        log(`${reason}; the site tries again`)
        await options.onOtherVersion({ place, reason })
      }
      said = reason
    }
    await clock.sleep(VERSION_SECONDS, signal)
    if (signal.aborted) throw new FedsamError('Interrupted', 'the worker was asked to stop')
  }
}

/** Whether another start cannot help, as a cluster decides it for a pod. */
function isFinal(code: ErrorCode | undefined): boolean {
  const exit = podExitCode(code)
  return Object.values(POD_EXITS).some(({ code, action }) => code === exit && action === 'FailJob')
}

async function oneLife(options: SiteWorkerOptions): Promise<RunOver> {
  const { place, jobs, folder, clock, log, release } = options
  const { namespace, uid, client } = place
  const trainer = createLateTrainer(release)
  let certified: CoordinatorCertificate | undefined
  let declined: FedsamError | undefined
  let allowed: Extract<Decision, { kind: 'Allowed' }> | undefined
  const isListed = (found: CoordinatorCertificate): boolean =>
    found.namespace === namespace && jobs.some((job) => isJob(job, found))
  const over = await serveRun({
    ...options,
    client,
    incarnation: randomBytes(8).toString('hex'),
    prefix: subjectPrefix(namespace, uid),
    trainer,
    mayServe(certificate) {
      certified = certificate
      return isListed(certificate)
    },
    async prepare(ask, report) {
      report('reading the job')
      const decided = await decideOn(options, ask, () => certified).catch((error: unknown) => {
        if (error instanceof FedsamError && error.code === 'SiteRefused') declined = error
        throw error
      })
      await makeFolders(folder)
      if (decided.hasBase) await fetchBase({ ...options, cache: folder, ask, report })
      const checkpoint = decided.hasBase
        ? join(folder, BASE_CHECKPOINTS.folder, BASE_CHECKPOINTS.current)
        : null
      allowed = decided.allowed
      const program = allowed.program({ checkpoint, scratch: folder })
      trainer.use(childTrainer({ ...program, noProgressSeconds: options.noProgressSeconds, clock, log }))
    },
    async admit(task) {
      const admitted = await allowed!.admit(task)
      log(`round ${task.round}: ${WORDS[admitted.kind]}`)
      return admitted
    },
    badLine: true,
    farewell: FAREWELL,
    answerSeconds: ANSWER_SECONDS,
    // A site waits as long as its line is down. Discovery ends the worker once its run is gone.
    silenceSeconds: Number.POSITIVE_INFINITY,
  }).catch(async (error: unknown) => {
    if (certified !== undefined && !isListed(certified))
      await options.onUnlisted({ place, job: { namespace: certified.namespace, name: certified.name } })
    throw error
  })
  if (declined !== undefined) throw declined
  return over
}

const WORDS = {
  Train: 'trains',
  Evaluate: 'evaluates',
  Initialise: 'sends the first parameters',
  Message: 'replies to a message',
} as const

function isJob(job: JobName, { namespace, name }: JobName): boolean {
  return job.namespace === namespace && job.name === name
}

/** Reads run.json and asks the site's rules. Throws SiteRefused where they refuse the job. */
async function decideOn(
  { place, transfers, clock, signal, decide }: SiteWorkerOptions,
  ask: AskGrants,
  certified: () => CoordinatorCertificate | undefined,
): Promise<{ readonly allowed: Extract<Decision, { kind: 'Allowed' }>; readonly hasBase: boolean }> {
  const record = await untilRead(() => readRunFile(ask, transfers), { clock, signal })
  const { namespace, name } = certified()! // an answer came, so it was certified
  if (record.uid !== place.uid || record.name !== name)
    throw new FedsamError(
      'SiteRefused',
      `run.json describes the job ${record.name}, and the certificate ${name}`,
    )
  const decision = await decide({ job: { namespace, name }, client: place.client, record })
  if (decision.kind === 'Refused') throw new FedsamError('SiteRefused', decision.reason)
  return { allowed: decision, hasBase: record.base !== null }
}

/** Retries while the coordinator grants nothing, and while the store cannot be reached. */
async function untilRead<T>(
  read: () => Promise<T>,
  { clock, signal }: Pick<SiteWorkerOptions, 'clock' | 'signal'>,
): Promise<T> {
  for (;;) {
    try {
      return await read()
    } catch (error) {
      const unreachable = error instanceof FedsamError && error.code === 'StorageUnreachable'
      if (!unreachable && !(error instanceof NotWanted) && !(error instanceof GrantRefused)) throw error
    }
    await clock.sleep(RETRY_SECONDS, signal)
    if (signal.aborted) throw new FedsamError('Interrupted', 'the worker was asked to stop')
  }
}
