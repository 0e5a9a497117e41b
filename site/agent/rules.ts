// The site's rules as the agent asks them: what run.json says of a job, the decision of site.yaml about it, and the program that this
// decision starts. Guarantees that every word of the program's command line and every variable of it come from the site or from FedSAM.
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environmentOf, TRAINER } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { jobText } from '#protocol/sites.ts'
import type { ChildProgram } from '#runtime/children/child-process.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Federation, Site } from '../file/site.ts'
import { type AllowedJob, decideJob } from '../policy/decide-job.ts'
import { sharedMetrics } from '../policy/decide-task.ts'
import { type OfferedSpec, offerOf, readOffer } from '../policy/offer.ts'
import type { Decide, RunFolders } from './decision.ts'
import type { Release } from './late-trainer.ts'
import type { UnlistedRun, UnreadableRun } from './site-worker.ts'

const SEGMENT_ANYTHING = fileURLToPath(new URL('../../worker/trainer/main.ts', import.meta.url))

/** The run of a task: its uid, this site's client in it, and the job as namespace/name. */
export interface TaskRun {
  readonly uid: string
  readonly client: string
  readonly name: string
}

/** Admits a task of an allowed job, as decision.ts describes it. */
export type AdmitTask = (job: AllowedJob, run: TaskRun, task: Task) => Promise<Task>

export interface RulesOptions {
  readonly site: Site
  readonly federation: Federation
  /** The variables that every trainer on this machine has. */
  readonly env: Readonly<Record<string, string>>
  readonly admit: AdmitTask
  readonly audit: AuditLog
  readonly log: (line: string) => void
}

/** The rules of one federation of the site. */
export function siteRules({ site, federation, env, admit, audit, log }: RulesOptions): Decide {
  return async ({ job, client, record }) => {
    const offer = readOffer(offerOf(job, client, record.spec as unknown as OfferedSpec, record.base))
    const run = { uid: record.uid, client, name: jobText(job) }
    const asked = { event: 'Job', federation: federation.name, job: run.name, run: run.uid, client } as const
    if (offer === undefined) {
      const reason = 'the job has values that this version of the site does not know'
      await audit.write({ ...asked, decision: 'Refused', reason })
      return { kind: 'Refused', reason }
    }
    const decided = decideJob(site, federation, offer)
    const about = { ...asked, decision: decided.kind }
    if (decided.kind === 'Refused') {
      const { reason, line } = decided
      await audit.write({ ...about, reason, line })
      log(`${run.name}: ${site.file}:${line} refuses it`)
      return decided
    }
    await audit.write({ ...about, dataset: decided.listed.dataset, trainer: decided.listed.trainer })
    return {
      kind: 'Allowed',
      program: (folders) => programOf(decided, { client, folders, env, cwd: dirname(resolve(site.file)) }),
      admit: (task) => admit(decided, run, task),
    }
  }
}

/** Writes the refusal of a run whose job the site's file does not list: the server offered it, and the certificate named the job. */
export function refuseUnlisted({
  site,
  federation,
  audit,
}: Pick<RulesOptions, 'site' | 'federation' | 'audit'>): (run: UnlistedRun) => Promise<void> {
  const line = site.lineOf(['federations', site.federations.indexOf(federation), 'jobs'])
  return async ({ place: { uid: run, client }, job }) =>
    audit.write({
      ...{ event: 'Job', federation: federation.name, job: jobText(job), run, client },
      ...{ decision: 'Refused', reason: 'the site does not list the job', line },
    })
}

/** Writes the line of the audit log about a coordinator that this site does not understand. */
export function refuseVersion({
  federation,
  audit,
}: Pick<RulesOptions, 'federation' | 'audit'>): (run: UnreadableRun) => Promise<void> {
  return async ({ place: { namespace, uid: run, client }, reason }) =>
    audit.write({
      ...{ event: 'Version', federation: federation.name, namespace, run, client },
      ...{ decision: 'Refused', reason },
    })
}

/** Which metrics leave the site; null: all. */
export function releaseOf(site: Site): Release | null {
  const { share, names } = site.metrics
  return share && names.length === 0 ? null : (metrics) => sharedMetrics(site, metrics)
}

interface ProgramOptions {
  readonly client: string
  readonly folders: RunFolders
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

function programOf(
  { dataset, trainer }: AllowedJob,
  { client, folders, env, cwd }: ProgramOptions,
): ChildProgram {
  if (trainer.kind === 'SegmentAnything') {
    const { checkpoint, scratch } = folders
    const settings = { trainer: trainer.settings, dataset, checkpoint, cache: scratch }
    const command = [process.execPath, SEGMENT_ANYTHING, JSON.stringify(settings)] as const
    return { name: 'SegmentAnything', command, env, cwd }
  }
  const [program, ...rest] = trainer.command
  if (program === undefined) throw new FedsamError('InvalidJob', 'a trainer of the site has no command')
  // A site does not learn of the job's other partitions.
  const unknown = { partitionId: undefined, numPartitions: undefined }
  const about = environmentOf(TRAINER, { client, dataset: JSON.stringify(dataset), ...unknown })
  return { command: [program, ...rest], env: { ...env, ...about, ...trainer.env }, cwd }
}
