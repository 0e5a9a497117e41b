// Computes status.training of a job from the events of a run: each step takes a status, an event and the time, and returns the
// next status; pure. The status keeps within the bounds of the schema. Epoch, round and attempt never decrease. status-writer.ts
// decides when to write.
import type { FinishedRound, RunEvent } from '#protocol/events.ts'
import type { TrainingClients, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { AbandonReason } from '#protocol/outcomes.ts'
import type { CoordinatorFailure, CoordinatorWait } from '#protocol/reasons.ts'
import type { ClientOutcome } from '#protocol/record.ts'
import { counted, listed, shortened } from '#protocol/text.ts'
import { timestamp } from '#protocol/timestamp.ts'
import { boundedMetrics, bounds } from './status-bounds.ts'
import { withoutFormerSites, withSite } from './status-sites.ts'

/** Events of a run that does not run: its key, what the coordinator waits for, and why the run can never start. */
export type CoordinatorProblem =
  | { readonly event: 'KeyMade'; readonly epoch: number; readonly publicKey: string }
  | { readonly event: 'Hindered'; readonly reason: CoordinatorWait; readonly message: string }
  | { readonly event: 'GivenUp'; readonly reason: CoordinatorFailure; readonly message: string }

export type StatusEvent = RunEvent | CoordinatorProblem

/** Facts beside the event. */
export interface StatusFacts {
  /** Milliseconds since 1970. */
  readonly now: number
  /** The address of the output. */
  readonly outputUri: string
}

type Of<K extends StatusEvent['event']> = Extract<StatusEvent, { event: K }>
type Step<K extends StatusEvent['event']> = (
  status: TrainingStatus,
  news: Of<K>,
  facts: StatusFacts,
) => TrainingStatus

/** The first status of a coordinator: the status that exists for this uid, without the fields that no longer hold. */
export function beginStatus(uid: string, before: TrainingStatus | undefined, now: number): TrainingStatus {
  const { pauseUntil: _, ...kept } = before?.uid === uid ? before : { uid, epoch: 1, round: 0, attempt: 0 }
  return {
    ...kept,
    state: 'Starting',
    reason: 'Starting',
    message: 'The coordinator is starting.',
    updatedTime: timestamp(now),
  }
}

/** The next status; the same object where the event changes nothing. */
export function nextStatus(status: TrainingStatus, news: StatusEvent, facts: StatusFacts): TrainingStatus {
  const step = STEPS[news.event] as Step<StatusEvent['event']> | undefined
  const next = step?.(status, news, facts) ?? status
  return next === status ? status : { ...next, updatedTime: timestamp(facts.now) }
}

/** Whether to write at once, because people and the operator wait for the change. */
export function isTransition(before: TrainingStatus, after: TrainingStatus): boolean {
  return (['state', 'reason', 'pauseUntil', 'epoch'] as const).some((field) => before[field] !== after[field])
}

/** The steps, by the events that change the status. */
const STEPS: { readonly [K in StatusEvent['event']]?: Step<K> } = {
  RunStarted(status, { epoch, completed, roster, head, best, newest }) {
    const rounds = withRecorded(status.rounds ?? [], newest)
    return {
      ...advance(withoutFormerSites(status, roster), completed, 1),
      ...(rounds.length === 0 ? {} : { rounds }),
      epoch: Math.max(epoch, status.epoch),
      ...stated('Starting', 'Starting', 'The coordinator has started.'),
      clients: { ...withoutFormerSites(status, roster).clients, total: roster.length },
      ...(head === null ? {} : { head: digestOf(head) }),
      ...(best === null ? {} : { best: bounds.best(best) }),
    }
  },
  ClientJoined(status, { client, available }) {
    return withClients(status, {
      available,
      // A client that joined is online, and has proved its identity.
      absent: absentees(status).filter(
        ({ name, outcome }) => name !== client || (outcome !== 'Unreachable' && outcome !== 'Refused'),
      ),
    })
  },
  ClientRefused(status, { client, reason, message }) {
    return withAbsent(status, { client, outcome: 'Refused', reason, message })
  },
  SiteConnection: (status, news, { now }) => withSite(status, news, now),
  Waiting(status, news, { now }) {
    const { roster, available, absent } = news
    const counted = withClients(endPause(withoutFormerSites(status, roster), now), {
      total: roster.length,
      available: available.length,
      absent: absentOf(absent),
    })
    return waiting(counted, news)
  },
  AttemptOpened(status, { round, attempt, kind, roster, cohort, absent }, { now }) {
    const { pauseUntil: _, ...open } = endPause(withoutFormerSites(status, roster), now)
    const clients = {
      ...open.clients,
      total: roster.length,
      available: roster.length - absent.length,
      cohort: cohort.length,
      accepted: 0,
      absent: absentOf(absent),
    }
    if (kind === 'Evaluate') {
      return {
        ...open,
        ...stated('Finishing', 'Evaluating', 'The clients evaluate the last model.'),
        clients,
      }
    }
    const again = attempt === 1 ? '' : `, attempt ${attempt}`
    const message =
      kind === 'Train'
        ? `Round ${round}${again}: ${listed(cohort, bounds.named)} ${cohort.length === 1 ? 'trains' : 'train'}.`
        : `Round ${round}${again}: the initial parameters come from ${listed(cohort, bounds.named)}.`
    return { ...advance(open, round, attempt), ...stated('Training', 'Training', message), clients }
  },
  UpdateAdmitted(status, { bytes }) {
    const { received = 0, sent = 0 } = status.bytes ?? {}
    const accepted = (status.clients?.accepted ?? 0) + 1
    return { ...withClients(status, { accepted }), bytes: { received: received + bytes, sent } }
  },
  UpdateRejected(status, { client, reason, message }) {
    return withAbsent(status, { client, outcome: 'Rejected', reason, message })
  },
  ClientFailed(status, { client, reason, message }) {
    return withAbsent(status, { client, outcome: 'Failed', reason, message })
  },
  AttemptAbandoned(status, { kind, reason, message, outcomes, pauseSeconds }, { now }) {
    if (kind === 'Evaluate') return status
    const until = pauseSeconds > 0 ? { pauseUntil: timestamp(now + pauseSeconds * 1000) } : {}
    return {
      ...withClients(status, { absent: absentOf(outcomes) }),
      ...stated('QuorumLost', reason, message),
      ...until,
    }
  },
  Initialised(status, { head, resumed }) {
    const begun = { ...status, head: digestOf(head) }
    return resumed === null ? begun : advance(begun, resumed.round, 1)
  },
  RoundCompleted: completeRound,
  ProgramStarted(status, { recorded }) {
    const message =
      recorded === 0
        ? 'The program runs.'
        : `The program runs from its beginning, and repeats ${counted(recorded, 'exchange')} of the record.`
    return { ...status, ...stated('Starting', 'Starting', message) }
  },
  ExchangeOpened(status, { exchange, round, of, messages, clients }) {
    const own = round === null ? '' : ` (round ${round}${of === null ? '' : ` of ${of}`} of the program)`
    const asked = `${counted(messages, 'message')} to ${listed(clients, bounds.named)}`
    return {
      ...withClients(advance(status, exchange, 1), { cohort: clients.length, accepted: 0 }),
      ...stated('Training', 'Training', `Exchange ${exchange}${own}: ${asked}.`),
    }
  },
  ExchangeCompleted(status, { exchange, replies, outcomes, head }) {
    return {
      ...withClients(advance(status, exchange, 1), { accepted: replies, absent: absentOf(outcomes) }),
      head: digestOf(head),
    }
  },
  RunCompleted(status, { rounds, round, digest, head, program }, { outputUri }) {
    const number = `${rounds} ${rounds === 1 ? 'round is' : 'rounds are'}`
    const message =
      program === undefined
        ? `${number} complete; the output is the model of round ${round}.`
        : `The program has its result after ${counted(rounds, 'exchange')}.`
    return {
      ...advance(status, rounds, 1),
      ...stated('Complete', 'Complete', message),
      head: digestOf(head),
      // A program may leave no model.
      ...(digest === ''
        ? {}
        : { output: { uri: outputUri.slice(0, bounds.uri), round, digest: digestOf(digest) } }),
    }
  },
  RunFailed: (status, { reason, message }) => ({ ...status, ...stated('Failed', reason, message) }),
  KeyMade: (status, { epoch, publicKey }) => ({
    ...status,
    epoch: Math.max(epoch, status.epoch),
    key: { epoch, publicKey },
  }),
  Hindered: (status, { reason, message }) => ({ ...status, ...stated('Waiting', reason, message) }),
  GivenUp: (status, { reason, message }) => ({ ...status, ...stated('Failed', reason, message) }),
}

type Rounds = NonNullable<TrainingStatus['rounds']>

/** Adds rounds of the record that the status lacks, because they ended when no status could be written. */
function withRecorded(written: Rounds, recorded: readonly FinishedRound[]): Rounds {
  const lacking = recorded.filter(({ round }) => !written.some((one) => one.round === round))
  const added = lacking.map(({ evaluation, ...rest }) =>
    evaluation === null
      ? rest
      : { ...rest, metrics: boundedMetrics({ loss: evaluation.loss, ...evaluation.metrics }) },
  )
  return [...written, ...added].sort((a, b) => a.round - b.round).slice(-bounds.rounds)
}

/** Adds a completed round. The metrics of its evaluation belong to the model of the round before. */
function completeRound(
  status: TrainingStatus,
  news: Of<'RoundCompleted'>,
  _facts: StatusFacts,
): TrainingStatus {
  const { round, attempt, kind, cohort, accepted, outcomes, evaluation, seconds, head, best, sentBytes } =
    news
  const notEvaluated = bounds.absent(
    news.notEvaluated.map(({ client, ...rest }) => ({ name: client, ...rest })),
  )
  const outliers = bounds.outliers(news.outliers, round)
  const metrics =
    evaluation === null ? undefined : boundedMetrics({ loss: evaluation.loss, ...evaluation.metrics })
  const measured = (status.rounds ?? []).map((one) =>
    one.round === round - 1 && metrics !== undefined ? { ...one, metrics } : one,
  )
  const { received = 0, sent = 0 } = status.bytes ?? {}
  const after: TrainingStatus = {
    ...status,
    head: digestOf(head),
    ...(metrics === undefined ? {} : { metrics }),
    ...(best === null ? {} : { best: bounds.best(best) }),
    bytes: { received, sent: sent + sentBytes },
    rounds: measured,
    clients: { ...status.clients, absent: absentOf(outcomes), notEvaluated, outliers },
  }
  if (kind === 'Evaluate') return after
  const done = { round, attempt, cohort: cohort.length, accepted: accepted.length, seconds }
  return {
    ...advance(after, round, attempt),
    rounds: [...measured.filter((one) => one.round !== round), done].slice(-bounds.rounds),
    clients: { ...after.clients!, cohort: cohort.length, accepted: accepted.length },
  }
}

/** The state while an attempt waits for clients. QuorumLost stays until the next attempt opens. */
function waiting(status: TrainingStatus, { available, absent, needed, kind }: Of<'Waiting'>): TrainingStatus {
  const enough = available.length >= needed
  if (status.state === 'QuorumLost' || kind === 'Evaluate') return status
  if (enough && status.state === 'Training') return status
  const missing = absent.map(({ client, message }) => (message === '' ? client : `${client} (${message})`))
  const ready = `${available.length} of at least ${needed} needed clients are available`
  return {
    ...status,
    ...stated(
      'Waiting',
      enough ? 'Starting' : 'NotEnoughClients',
      `${ready}; waiting for ${listed(missing, bounds.named)}.`,
    ),
  }
}

/** The reasons of each state, which the operator takes over; of the others it is one word for programs. */
interface Reasons {
  readonly Waiting: CoordinatorWait | 'Starting'
  readonly QuorumLost: AbandonReason
  readonly Failed: CoordinatorFailure
  readonly Starting: 'Starting'
  readonly Training: 'Training'
  readonly Finishing: 'Evaluating'
  readonly Complete: 'Complete'
}

function stated<S extends NonNullable<TrainingStatus['state']>>(
  state: S,
  reason: Reasons[S],
  message: string,
): Pick<TrainingStatus, 'state' | 'reason' | 'message'> {
  return { state, reason: shortened(reason, bounds.reason), message: shortened(message, bounds.message) }
}

/** The present round and attempt, never below the ones that were written. */
function advance<S extends TrainingStatus>(status: S, round: number, attempt: number): S {
  if (round < status.round) return status
  return { ...status, round, attempt: round > status.round ? attempt : Math.max(attempt, status.attempt) }
}

function endPause(status: TrainingStatus, now: number): TrainingStatus {
  if (status.pauseUntil === undefined || Date.parse(status.pauseUntil) > now) return status
  const { pauseUntil: _, ...rest } = status
  return rest
}

function withClients(status: TrainingStatus, clients: TrainingClients): TrainingStatus {
  return { ...status, clients: { ...status.clients, ...clients } }
}

type Absent = NonNullable<TrainingClients['absent']>

const absentees = (status: TrainingStatus): Absent => status.clients?.absent ?? []

function withAbsent(status: TrainingStatus, outcome: ClientOutcome): TrainingStatus {
  const others = absentees(status).filter(({ name }) => name !== outcome.client)
  return withClients(status, { absent: bounds.absent([...others, ...absentOf([outcome])]) })
}

/** The clients that should take part and do not. */
function absentOf(outcomes: readonly ClientOutcome[]): Absent {
  return bounds.absent(
    outcomes.flatMap(({ client, outcome, reason, message }) =>
      outcome === 'Accepted' || outcome === 'NotSelected' ? [] : [{ name: client, outcome, reason, message }],
    ),
  )
}

/** A digest in the schema's form. */
const digestOf = (sha256: string): string => `sha256:${sha256}`
