// `fedsam site run` and `fedsam site join`: the agents of a site's file, one for each federation, until the process is asked to stop or
// the wanted job is over. One process at a time owns the site's folder.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { natsKey } from '#protocol/nkeys.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { type JobName, jobText } from '#protocol/sites.ts'
import { systemClock } from '#runtime/clock.ts'
import { admitTask } from '#site/agent/admit.ts'
import { type RunEnd, runAgent } from '#site/agent/agent.ts'
import { auditedTransfers } from '#site/agent/audited-transfers.ts'
import { watchInterception } from '#site/agent/interception.ts'
import { refuseUnlisted, refuseVersion, releaseOf, siteRules } from '#site/agent/rules.ts'
import { type AuditLog, createAuditLog } from '#site/audit/audit-log.ts'
import type { Federation, Site } from '#site/file/site.ts'
import { siteKey } from '#site/key.ts'
import { type Ledger, openLedger } from '#site/ledger/ledger.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'
import { connectSite, type Way, wayOf } from './connect.ts'

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
  const lines = await Promise.all(served.map(({ federation }) => lineOf(site, federation)))
  const now = (): number => Date.now()
  const ledger = await openLedger(site.folder)
  const records = { ledger, audit: createAuditLog(site.folder, now), now }
  // An agent that fails ends the others: nothing may use the ledger after its end.
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  try {
    const agents = served.map((one, at) =>
      serveFederation({ ...options, signal }, { ...one, ...records, line: lines[at]! }).catch((error) => {
        failed.abort()
        throw error
      }),
    )
    const ends = await Promise.allSettled(agents)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  } finally {
    await ledger.close()
  }
}

function jobsOf({ jobs }: Federation, only: JobName | undefined): readonly JobName[] {
  const names = jobs.map(({ job }) => job)
  return only === undefined ? names : names.filter((job) => jobText(job) === jobText(only))
}

function notListed({ file, federations, lineOf }: Site, only: JobName | undefined): FedsamError {
  const what = only === undefined ? 'lists no job' : `does not list the job ${jobText(only)}`
  const line = lineOf(federations.length === 0 ? ['federations'] : ['federations', 0, 'jobs'])
  return new FedsamError('InvalidJob', `${file} ${what}`, {
    remedy: `add it to ${file}:${line}; the site takes part in listed jobs only`,
  })
}

interface Served {
  readonly federation: Federation
  readonly jobs: readonly JobName[]
  readonly ledger: Ledger
  readonly audit: AuditLog
  readonly line: Line
  readonly now: () => number
}

/** How this site speaks to a federation. */
interface Line {
  readonly key: SigningKey
  readonly nkeySeed: string
  readonly way: Way
}

async function lineOf({ key: file }: Site, federation: Federation): Promise<Line> {
  const key = await siteKey(file)
  const nkeySeed = natsKey('user', await readFile(file)).seed
  return { key, nkeySeed, way: wayOf(await certificatesOf(federation), federation) }
}

/** Logs why the connection fails, once for each reason, and that it is back. */
function lineLog(log: (text: string) => void) {
  let last = ''
  return {
    failed(error: unknown) {
      const why = String(error instanceof Error ? error.message : error)
      if (why !== last) log(`the connection failed: ${why}; the site tries again`)
      last = why
    },
    connected() {
      if (last !== '') log('connected again')
      last = ''
    },
  }
}

async function serveFederation(
  { site, say, onEnded, signal }: ServeOptions,
  { federation, jobs, ledger, audit, line, now }: Served,
): Promise<void> {
  const { name, trust, store: origin } = federation
  const { key, nkeySeed, way } = line
  const log = (text: string): void => say(`${name}: ${text}`)
  const state = lineLog(log)
  const interception = watchInterception({ federation: name, way, audit, log })
  await runAgent({
    connect: ({ onConnected, onNotAdmitted }) =>
      connectSite(federation, {
        ...{ name: 'site', nkeySeed, way, jobs, onNotAdmitted, signal },
        onConnected: () => {
          state.connected()
          interception.trusted(federation.bus)
          onConnected()
        },
        onError: (error) => {
          state.failed(error)
          void interception.failed(error, federation.bus)
        },
      }).catch(async (error: unknown) => {
        await interception.failed(error, federation.bus)
        throw error
      }),
    transfers: auditedTransfers(createGrantedTransfers({ site: { origin, ...way } }), audit, {
      federation: name,
      interception,
    }),
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
    onOtherVersion: refuseVersion({ federation, audit }),
    onUnlisted: refuseUnlisted({ site, federation, audit }),
    release: releaseOf(site),
    folder: join(site.folder, 'runs', name),
    noProgressSeconds: site.noProgressSeconds,
    clock: systemClock(),
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
