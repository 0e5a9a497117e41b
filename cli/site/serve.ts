// `fedsam site run` and `fedsam site join`: the agents of a site's file, one for each federation, until the process is asked to stop or
// the wanted job is over. One process at a time owns the site's folder.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { natsKey } from '#protocol/nkeys.ts'
import { encodeJobList, type JobName, jobText, SITE_USER } from '#protocol/sites.ts'
import { systemClock } from '#runtime/clock.ts'
import { admitTask } from '#site/agent/admit.ts'
import { type RunEnd, runAgent } from '#site/agent/agent.ts'
import { auditedTransfers } from '#site/agent/audited-transfers.ts'
import { releaseOf, siteRules } from '#site/agent/rules.ts'
import { type AuditLog, createAuditLog } from '#site/audit/audit-log.ts'
import type { Federation, Site } from '#site/file/site.ts'
import { siteKey } from '#site/key.ts'
import { type Ledger, openLedger } from '#site/ledger/ledger.ts'
import { connectWebSocket } from '#transport/bus/websocket/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'

/** A trainer without output and processor time for so many seconds is killed: the default of a job. */
const NO_PROGRESS_SECONDS = 600

export interface ServeOptions {
  readonly site: Site
  /** Only this job; absent: every listed one. */
  readonly only?: JobName
  readonly say: (line: string) => void
  readonly onEnded?: (end: RunEnd) => void
  readonly signal: AbortSignal
}

/** Serves until the signal aborts. Throws InvalidJob where the file names something that cannot be used, OutputInUse. */
export async function serveSite(options: ServeOptions): Promise<void> {
  const { site, only } = options
  const served = site.federations
    .map((federation) => ({ federation, jobs: jobsOf(federation, only) }))
    .filter(({ jobs }) => jobs.length > 0)
  if (served.length === 0) throw notListed(site, only)
  const now = (): number => Date.now()
  const ledger = await openLedger(site.folder)
  const records = { ledger, audit: createAuditLog(site.folder, now), now }
  try {
    const over = new AbortController()
    const signal = AbortSignal.any([options.signal, over.signal])
    const serving = served.map((one) =>
      serveFederation({ ...options, signal }, { ...one, ...records }).catch((error: unknown) => {
        over.abort(error)
        throw error
      }),
    )
    // The ledger stays open until every federation has ended.
    await Promise.allSettled(serving)
    if (over.signal.aborted) throw over.signal.reason
  } finally {
    await ledger.close()
  }
}

function jobsOf({ jobs }: Federation, only: JobName | undefined): readonly JobName[] {
  const names = jobs.map(({ job }) => job)
  return only === undefined ? names : names.filter((job) => jobText(job) === jobText(only))
}

function notListed({ file, federations, lineOf }: Site, only: JobName | undefined): FedsamError {
  const what = only === undefined ? 'no job' : `not the job ${jobText(only)}`
  const line = lineOf(federations.length === 0 ? ['federations'] : ['federations', 0, 'jobs'])
  return new FedsamError('InvalidJob', `${file} lists ${what}`, {
    remedy: `add it to ${file}:${line}; the site takes part in listed jobs only`,
  })
}

interface Served {
  readonly federation: Federation
  readonly jobs: readonly JobName[]
  readonly ledger: Ledger
  readonly audit: AuditLog
  readonly now: () => number
}

async function serveFederation(
  { site, say, onEnded, signal }: ServeOptions,
  { federation, jobs, ledger, audit, now }: Served,
): Promise<void> {
  const { name, trust, bus: url, store, proxy } = federation
  const key = await siteKey(site.key)
  const nkeySeed = natsKey('user', await readFile(site.key)).seed
  const list = encodeJobList(jobs)
  const ca = await certificatesOf(federation)
  const clock = systemClock()
  const log = (line: string): void => say(`${name}: ${line}`)
  const line = { ...(ca === undefined ? {} : { ca }), ...(proxy === undefined ? {} : { proxy }) }
  await runAgent({
    connect: (onConnected) =>
      connectWebSocket({
        url,
        name: 'site',
        credentials: { user: SITE_USER, nkeySeed, password: () => list },
        ...(ca === undefined ? {} : { tls: { ca } }),
        ...(proxy === undefined ? {} : { proxy }),
        onConnected,
        onError: () => {},
      }),
    transfers: auditedTransfers(createGrantedTransfers({ site: { origin: store, ...line } }), audit, name),
    key,
    trust,
    jobs,
    decide: siteRules({
      site,
      federation,
      env: trainerEnvironment(process.env),
      admit: admitTask(site, { ledger, audit, now }),
      audit,
      log,
    }),
    release: releaseOf(site),
    folder: join(site.folder, 'runs', name),
    noProgressSeconds: NO_PROGRESS_SECONDS,
    clock,
    wallTime: now,
    log,
    ...(onEnded === undefined ? {} : { onEnded }),
    signal,
  })
}

async function certificatesOf({ name, ca }: Federation): Promise<string | undefined> {
  if (ca === undefined) return undefined
  return readFile(ca, 'utf8').catch((cause: Error) => {
    throw new FedsamError(
      'InvalidJob',
      `the certificates of the federation ${name} cannot be read: ${cause.message}`,
      {
        remedy: `correct the path, or put the file there: ${ca}`,
        cause,
      },
    )
  })
}
