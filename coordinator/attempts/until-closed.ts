// Runs an open attempt until it has a decision: serves it to the clients, waits until it may close, and writes the decision.
// Reports that arrive after that do not count in the attempt. rounds/closing.ts decides when an attempt may close.
import { plannedKeys } from '#protocol/external.ts'
import type { Decision } from '#protocol/record.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import { payloadOf, statePayloadOf } from '../record/marker-facts.ts'
import type { Marked } from '../record/markers.ts'
import { type ClosingDecision, decideClosing } from '../rounds/closing.ts'
import type { AttemptAssignment } from './assignment.ts'
import type { OpenAttempt } from './attempt.ts'
import type { AttemptsContext } from './context.ts'
import { abandon, close } from './decision.ts'

/** Resolves to the decision of this coordinator, or to the one that another coordinator wrote before. */
export async function runUntilClosed(
  context: AttemptsContext,
  assignment: AttemptAssignment,
  open: OpenAttempt,
): Promise<Marked<Decision>> {
  const { current, observe, markers, presence, leftovers } = context
  const { round, attempt, kind, roster, available, cohort, evaluators, epoch } = open.plan.value
  const absent = roster.filter((client) => !available.includes(client)).map(presence.absence)
  observe({ event: 'AttemptOpened', round, attempt, kind, roster, cohort, evaluators, absent })
  // Receipts for an earlier coordinator, or from an abandoned attempt at this round, count without new work. A plan that this
  // coordinator has just written for a first attempt cannot have receipts.
  if (attempt > 1 || epoch !== markers.epoch)
    await checkReceipts(open, [...cohort, ...evaluators], { earlier: true })
  current.open(open)
  let decision: Marked<Decision>
  try {
    const closing = await awaitClosing(context, open)
    if (typeof closing !== 'string') decision = closing
    else
      decision = await (closing === 'Close'
        ? close(context, assignment, open)
        : abandon(context, assignment, open))
  } finally {
    current.close()
  }
  // Clean up only after a decision. A coordinator that stops leaves the attempt open, and a receipt may still name a stored
  // payload. The next attempt looks for receipts after this, so it cannot admit a payload that is deleted here.
  await leftovers.cleanAttempt(
    open,
    open
      .receipts()
      .flatMap(({ value }) =>
        [payloadOf(value), statePayloadOf(value)].flatMap((payload) => payload?.key ?? []),
      ),
  )
  return decision
}

async function checkReceipts(
  open: OpenAttempt,
  clients: readonly string[],
  options?: { earlier: boolean },
): Promise<void> {
  await Promise.all(clients.map((client) => open.checkReceipt(client, options)))
}

/** Times of an open attempt, in seconds of the coordinator's clock. */
interface Times {
  readonly opened: number
  /** When the quorum was reached; null: not yet. */
  quorum: number | null
}

/** How the attempt ends: as this coordinator decides, or with the decision that another coordinator wrote meanwhile. */
async function awaitClosing(
  context: AttemptsContext,
  open: OpenAttempt,
): Promise<'Close' | 'Abandon' | Marked<Decision>> {
  const { markers, clock, notifier, pace, guard, sites } = context
  const { round, attempt, cohort, evaluators } = open.plan.value
  const times: Times = { opened: clock.now(), quorum: null }
  let polledAt = times.opened
  let rechecked = false
  for (;;) {
    guard.throwIfStopped()
    const notified = notifier.next()
    sites.report()
    settleRemoved(context, open)
    const decision = decideNow(context, open, times)
    const pending = [...new Set([...cohort, ...evaluators])].filter(open.isPending)
    if (decision.kind !== 'Wait') {
      // A receipt counts even if its message was lost: check the store once more before the decision.
      if (rechecked || pending.length === 0) return decision.kind
      rechecked = true
      await checkReceipts(open, pending)
      continue
    }
    rechecked = false
    const poll = polledAt + pace.pollSeconds - clock.now()
    if (poll <= 0) {
      const theirs = await markers.decision(round, attempt)
      if (theirs !== undefined) return theirs
      await checkReceipts(open, pending)
      polledAt = clock.now()
    } else {
      await waitAtMost(notified, Math.min(decision.seconds, poll), context)
    }
  }
}

function decideNow(
  { clock, presence }: Pick<AttemptsContext, 'clock' | 'presence'>,
  open: OpenAttempt,
  times: Times,
): ClosingDecision {
  const { kind, cohort, evaluators, quorum, deadlineSeconds, graceSeconds } = open.plan.value
  const others = evaluators.filter((client) => !cohort.includes(client))
  const reported =
    kind === 'Evaluate' ? open.evaluations().length + open.notEvaluated().length : open.updates().length
  if (times.quorum === null && reported >= quorum) times.quorum = clock.now()
  return decideClosing({
    cohort: cohort.map(open.standing),
    // The attempt does not wait for the evaluation of a client that went away.
    evaluators: others.map((client) =>
      presence.isLost(client, times.opened) ? 'Settled' : open.standing(client),
    ),
    // A missing evaluation is not worth another attempt.
    quorum: kind === 'Evaluate' ? 0 : quorum,
    deadlineSeconds,
    graceSeconds,
    elapsed: clock.now() - times.opened,
    sinceQuorum: times.quorum === null ? null : clock.now() - times.quorum,
  })
}

const KEY_CHANGED =
  'the partition has another key than when the attempt began, or a pod instead of a site; its new client takes part from the next attempt'

/** Stops waiting for clients whose partition was removed from the job, or is now of another site, or of a pod instead of a site. */
function settleRemoved({ live }: Pick<AttemptsContext, 'live'>, open: OpenAttempt): void {
  const members = new Map(live().members.map((member) => [member.name, member]))
  const sites = plannedKeys(open.plan.value)
  for (const client of open.plan.value.roster) {
    const member = members.get(client)
    if (member === undefined)
      open.settle(client, { client, outcome: 'Removed', reason: 'PartitionRemoved', message: '' })
    else if (member.publicKey !== sites.get(client))
      open.settle(client, { client, outcome: 'Removed', reason: 'KeyChanged', message: KEY_CHANGED })
  }
}
