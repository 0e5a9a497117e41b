// Runs an exchange of a Program run: serves the messages to the clients until each has ended, or the time of the exchange is over. An
// exchange is never attempted again: what is missing then is missing. A client that vanishes is waited for till then, since its pod comes back.
import type { DecidedState, KeptState } from '#protocol/client-state.ts'
import type { Ask, DecidedReply, Reply } from '#protocol/exchange.ts'
import { plannedKeys } from '#protocol/external.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import type { AttemptsContext } from '../attempts/context.ts'
import type { ClientsContext } from '../clients/context.ts'
import { replyPayloadOf, replyStateOf } from '../record/marker-facts.ts'
import type { Marked } from '../record/markers.ts'
import type { StatesBefore } from '../rounds/client-states.ts'
import type { FixedSettings } from '../settings/settings.ts'
import { type OpenExchange, openExchange } from './open-exchange.ts'

export interface ExchangesContext
  extends Pick<
    ClientsContext,
    | 'markers'
    | 'clientKeys'
    | 'live'
    | 'current'
    | 'leftovers'
    | 'presence'
    | 'guard'
    | 'notifier'
    | 'clock'
    | 'pace'
    | 'observe'
    | 'signal'
  > {
  readonly fixed: Pick<FixedSettings, 'name' | 'seed'>
  readonly sites: AttemptsContext['sites']
}

/** How an exchange ended. */
export interface ClosedExchange {
  /** One for each message, in the order of the ask. */
  readonly replies: readonly DecidedReply[]
  /** The states that count, by client name, and the map of all states after the exchange. */
  readonly states: readonly DecidedState[]
  readonly map: readonly KeptState[]
  /** The replies that count, by message place. */
  readonly received: ReadonlyMap<number, Marked<Reply>>
  /** Deletes uploads that no reply names. Call it once the decision is stored. Never rejects. */
  clean(): Promise<void>
}

/** Serves the exchange until it is over. An earlier coordinator may have served it before. */
export async function runExchange(
  context: ExchangesContext,
  ask: Marked<Ask>,
  before: StatesBefore,
): Promise<ClosedExchange> {
  const { markers, clientKeys, fixed, current, clock, notifier, leftovers } = context
  const { timeoutSeconds, deadlineSeconds, epoch } = ask.value
  const until = clock.now() + (timeoutSeconds ?? deadlineSeconds)
  const open = openExchange({
    markers,
    clientKeys,
    ask,
    seed: fixed.seed,
    run: fixed.name,
    before,
    until,
    onEnd: (decided) => {
      report(context, ask.value.exchange, decided)
      notifier.notify()
    },
  })
  // Replies to an earlier coordinator count without new work.
  if (epoch !== markers.epoch) await checkAll(open)
  current.open(open)
  try {
    await awaitEnd(context, open)
  } finally {
    current.close()
  }
  return {
    replies: open.replies(),
    states: open.decidedStates(),
    map: open.states.last,
    received: open.received,
    clean: () => leftovers.cleanExchange(open, namedBy(open)),
  }
}

/** Keys of the payloads that count. */
function namedBy({ received }: OpenExchange): string[] {
  return [...received.values()].flatMap(({ value }) =>
    [replyPayloadOf(value), replyStateOf(value)].flatMap((payload) => payload?.key ?? []),
  )
}

async function checkAll(open: OpenExchange): Promise<void> {
  await Promise.all(open.pending().map((client) => open.checkReceipt(client)))
}

/** Resolves when every message has ended. */
async function awaitEnd(context: ExchangesContext, open: OpenExchange): Promise<void> {
  const { clock, notifier, pace, guard, sites } = context
  let polledAt = clock.now()
  for (;;) {
    guard.throwIfStopped()
    const notified = notifier.next()
    sites.report()
    await settleRemoved(context, open)
    if (open.pending().length === 0) return
    const left = open.until - clock.now()
    const poll = polledAt + pace.pollSeconds - clock.now()
    if (left <= 0 || poll <= 0) {
      // A reply counts even if its message was lost: check the store once more before the end.
      await checkAll(open)
      polledAt = clock.now()
      if (left > 0) continue
      settleOverdue(context, open)
      return
    }
    await waitAtMost(notified, Math.min(left, poll), context)
  }
}

/** Ends the messages whose replies are missing when the time of the exchange is over. */
function settleOverdue({ presence }: Pick<ExchangesContext, 'presence'>, open: OpenExchange): void {
  for (const client of open.pending())
    open.settle(
      client,
      presence.isReady(client)
        ? { outcome: 'Late', reason: 'NoReceipt', text: 'still at work when the exchange ended' }
        : {
            outcome: 'Unreachable',
            reason: 'Silent',
            text: 'it sent no request for too long before the exchange ended',
          },
    )
}

const KEY_CHANGED = 'the partition has another key than when the exchange began, or a pod instead of a site'

/**
 * Stops waiting for clients whose partition left the job, never was in it, or has another key. A reply that they wrote before counts, as it
 * would if its message had come a moment earlier.
 */
async function settleRemoved({ live }: Pick<ExchangesContext, 'live'>, open: OpenExchange): Promise<void> {
  const members = new Map(live().members.map((member) => [member.name, member]))
  const keys = plannedKeys(open.ask.value)
  for (const client of open.pending()) {
    const member = members.get(client)
    if (member !== undefined && member.publicKey === keys.get(client)) continue
    await open.checkReceipt(client)
    const [reason, text] =
      member === undefined
        ? (['PartitionRemoved', `the job has no partition ${client}`] as const)
        : (['KeyChanged', KEY_CHANGED] as const)
    open.settle(client, { outcome: 'Removed', reason, text })
  }
}

function report(
  { observe }: Pick<ExchangesContext, 'observe'>,
  round: number,
  { client, outcome, reason, text: message }: DecidedReply,
): void {
  if (outcome === 'Rejected') observe({ event: 'UpdateRejected', round, client, reason, message })
  if (outcome === 'Failed') observe({ event: 'ClientFailed', round, client, reason, message })
}
