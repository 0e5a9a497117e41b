// Admits the tasks of a job that the site allows: decides by the site's rules, counts in the ledger, and writes the audit log. Guarantees
// that a task is counted and logged on the disk before it begins.
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { RunDeclined } from '#worker/network/declined.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Site } from '../file/site.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type AllowedTask, decideTask, type RefusedTask, type Usage } from '../policy/decide-task.ts'
import type { AdmitTask } from './rules.ts'

/** Of a task that was counted before: it costs nothing again. */
const NOTHING: Usage = { updates: 0, updatesToday: 0, evaluations: 0 }

interface Records {
  readonly ledger: Ledger
  readonly audit: AuditLog
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The same for every attempt at the same work: it gives the same results. */
function digestOf({ kind, round, seed, base, evaluate, config, dtypes }: Task): string {
  const from = base?.sha256 ?? null
  return sha256(encodeJson({ kind, round, seed, evaluate, config, dtypes: dtypes ?? null, from }))
}

/** Rejects with SiteRefused where the site does not carry out the task, or cannot count it; with RunDeclined where no later task can fit. */
export function admitTask(site: Site, { ledger, audit, now }: Records): AdmitTask {
  return async (job, { uid, client, name }, task) => {
    const { kind, round } = task
    const counted = { dataset: job.listed.dataset, run: uid, task: digestOf(task) }
    const decision = await ledger.charge<(AllowedTask | RefusedTask) & { charge?: AllowedTask['charge'] }>(
      counted,
      now(),
      (usage) => decideTask(site, job, task, usage ?? NOTHING),
    )
    const about = { event: 'Task', job: name, run: uid, client, kind, round } as const
    if (decision.kind === 'Allowed') {
      await audit.write({ ...about, decision: 'Allowed', dataset: counted.dataset })
      return decision.task
    }
    const { reason, line, isForRun } = decision
    await audit.write({ ...about, decision: 'Refused', reason, line })
    throw isForRun ? new RunDeclined(reason) : new FedsamError('SiteRefused', reason, { remedy: '' })
  }
}
