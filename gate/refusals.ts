// Counts and logs the verdicts of the gate. A client never learns from NATS why it was refused, so this log is where `fedsam doctor`
// reads it. Guarantees: strangers cannot fill the log or the memory. A refusal of a member of a job, or of a site, is logged once a minute; all
// others share a bound; names are shortened.
import { shortened } from '#protocol/text.ts'
import { createLimitedLog } from '#runtime/limited-log.ts'
import {
  type Admitted,
  type Concerned,
  REFUSALS,
  type Refusal,
  type Refused,
} from './authenticators/authenticator.ts'

/** One line of the gate's log about a refused member of a job, or a refused site. `fedsam doctor` reads these fields. */
export type RefusalLine = MemberLine | SiteLine

interface MemberLine {
  readonly refused: Refusal
  /** The uid of the job, and its name. */
  readonly run: string
  readonly namespace: string
  readonly job: string
  /** `<uid>/coordinator` or `<uid>/client/<name>`. */
  readonly member: string
  readonly host: string
}

interface SiteLine {
  readonly refused: Refusal
  /** The site's public key. At least one job names it. */
  readonly site: string
  readonly host: string
}

export interface RefusalLog {
  /** Receives a line of the log, with a text for people. */
  readonly write: (line: RefusalLine | { readonly host: string }, text: string) => void
  readonly count: (result: Refusal | 'Admitted') => void
  /** Seconds. */
  readonly now: () => number
}

/** Seconds between two lines about the same member with the same reason. */
const REPEAT_SECONDS = 60
/** Members whose lines are remembered. Above it the oldest is forgotten, and may be logged again sooner. */
const MOST_MEMBERS = 2000
/** Characters of the text of one line. */
const LONGEST_TEXT = 500
/** Characters of a host: the longest name of the Internet has 253. */
const LONGEST_HOST = 64

/** Receives every verdict of the callout, with the address of the connection. */
export function createRefusals({
  write,
  count,
  now,
}: RefusalLog): (verdict: Admitted | Refused, host: string) => void {
  const logged = new Map<string, number>()
  const logStranger = createLimitedLog((line) => write({ host: '' }, line), now)
  const mayLog = (key: string): boolean => {
    const before = logged.get(key)
    if (before !== undefined && now() - before < REPEAT_SECONDS) return false
    logged.delete(key)
    logged.set(key, now())
    if (logged.size > MOST_MEMBERS) logged.delete(logged.keys().next().value!)
    return true
  }
  return (verdict, from) => {
    count(verdict.kind === 'Admitted' ? 'Admitted' : verdict.reason)
    if (verdict.kind === 'Admitted') return
    const { reason, detail, concerned } = verdict
    const host = shortened(from, LONGEST_HOST)
    const text = shortened(`${REFUSALS[reason]}${detail ? `: ${detail}` : ''}`, LONGEST_TEXT)
    const who = whoOf(concerned)
    if (concerned === undefined || reason === 'UnknownClient')
      return logStranger(`refused ${host}: ${who === '' ? '' : `${shortened(who, 120)}: `}${text}`)
    if (!mayLog(`${reason} ${who}`)) return
    write({ refused: reason, ...fieldsOf(concerned), host }, text)
  }
}

function whoOf(concerned: Concerned | undefined): string {
  if (concerned === undefined) return ''
  return 'site' in concerned ? concerned.site : concerned.member
}

function fieldsOf(concerned: Concerned) {
  if ('site' in concerned) return concerned
  const { run, member } = concerned
  return { run: run.uid, namespace: run.namespace, job: run.job, member }
}
