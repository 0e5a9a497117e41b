// An attempt while it is open: hands it to the handler, waits until it may close, leaves its decision. Nothing that clients do
// after the decision was drawn up counts in it.
import type { Decision } from '#protocol/record.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import { cleanAttempt } from '../clients/leftover-uploads.ts'
import type { Marked } from '../record/markers.ts'
import { type ClosingDecision, decideClosing } from '../rounds/closing.ts'
import { type RunContext, throwIfStopped } from '../run/context.ts'
import type { OpenAttempt } from './attempt.ts'
import type { RoundAssignment } from './attempts.ts'
import { abandon, close } from './decision.ts'
import type { AttemptAssignment } from './planning.ts'

/** Runs the open attempt to its decision: this coordinator's, or the one that another left before. */
export async function conduct(
  context: RunContext,
  assignment: AttemptAssignment & RoundAssignment,
  open: OpenAttempt,
): Promise<Marked<Decision>> {
  const { floor, notifier, observe, markers, presence } = context
  const { round, attempt, kind, roster, available, cohort, evaluators, epoch } = open.plan.value
  const absent = roster.filter((client) => !available.includes(client)).map(presence.absence)
  observe({ event: 'AttemptOpened', round, attempt, kind, roster, cohort, evaluators, absent })
  // Receipts left to a coordinator before this one, or in an abandoned attempt at this round, count without being made again.
  // Nobody can have left one for a plan that was made just now.
  if (attempt > 1 || epoch !== markers.epoch)
    await lookFor(open, [...cohort, ...evaluators], { earlier: true })
  floor.attempt = open
  notifier.notify()
  let decision: Marked<Decision>
  try {
    const closing = await awaitClosing(context, open)
    if (typeof closing !== 'string') decision = closing
    else
      decision = await (closing === 'Close'
        ? close(context, assignment, open)
        : abandon(context, assignment, open))
  } finally {
    floor.attempt = null
    notifier.notify()
  }
  // Only what is decided is cleaned: a coordinator that is stopped leaves the attempt open, and a receipt may still name what a
  // client has stored. The next attempt looks for receipts later: what is deleted here is not admitted there.
  await cleanAttempt(context, open)
  return decision
}

async function lookFor(
  open: OpenAttempt,
  clients: readonly string[],
  options?: { earlier: boolean },
): Promise<void> {
  await Promise.all(clients.map((client) => open.look(client, options)))
}

/** Times of an open attempt, by the coordinator's clock. */
interface Times {
  readonly opened: number
  /** When enough had reported; null: not yet. */
  quorum: number | null
}

/** How the attempt ends: as this coordinator decides, or with the decision that another one has left meanwhile. */
async function awaitClosing(
  context: RunContext,
  open: OpenAttempt,
): Promise<'Close' | 'Abandon' | Marked<Decision>> {
  const { markers, clock, notifier, pace } = context
  const { round, attempt, cohort, evaluators } = open.plan.value
  const times: Times = { opened: clock.now(), quorum: null }
  let polledAt = times.opened
  let swept = false
  for (;;) {
    throwIfStopped(context)
    const notified = notifier.next()
    dropRemoved(context, open)
    const decision = decideNow(context, open, times)
    const pending = [...new Set([...cohort, ...evaluators])].filter(open.isPending)
    if (decision.kind !== 'Wait') {
      // A receipt whose message was lost still counts: look once more before the decision is made.
      if (swept || pending.length === 0) return decision.kind
      swept = true
      await lookFor(open, pending)
      continue
    }
    swept = false
    const poll = polledAt + pace.pollSeconds - clock.now()
    if (poll <= 0) {
      const theirs = await markers.decision(round, attempt)
      if (theirs !== undefined) return theirs
      await lookFor(open, pending)
      polledAt = clock.now()
    } else {
      await waitAtMost(notified, Math.min(decision.seconds, poll), context)
    }
  }
}

function decideNow({ clock, presence }: RunContext, open: OpenAttempt, times: Times): ClosingDecision {
  const { kind, cohort, evaluators, quorum, deadlineSeconds, graceSeconds } = open.plan.value
  const others = evaluators.filter((client) => !cohort.includes(client))
  const reported =
    kind === 'Evaluate' ? open.evaluations().length + open.notEvaluated().length : open.updates().length
  if (times.quorum === null && reported >= quorum) times.quorum = clock.now()
  return decideClosing({
    cohort: cohort.map(open.standing),
    // Nobody waits for the evaluation of a client that went away.
    evaluators: others.map((client) =>
      presence.isLost(client, times.opened) ? 'Settled' : open.standing(client),
    ),
    // No evaluation is no reason to do it again.
    quorum: kind === 'Evaluate' ? 0 : quorum,
    deadlineSeconds,
    graceSeconds,
    elapsed: clock.now() - times.opened,
    sinceQuorum: times.quorum === null ? null : clock.now() - times.quorum,
  })
}

/** Members whose partition left the job are waited for no longer. */
function dropRemoved(context: RunContext, open: OpenAttempt): void {
  const members = new Set(context.live().members.map(({ name }) => name))
  for (const client of open.plan.value.roster) {
    if (members.has(client)) continue
    open.settle(client, { client, outcome: 'Removed', reason: 'PartitionRemoved', message: '' })
  }
}
