// An open exchange: each client's messages in their order, the task for the one that it works on, and the replies that arrived. It reads
// and judges replies from the store; messages of clients only tell it when to look. exchange.ts decides when the exchange ends.
import type { DecidedState } from '#protocol/client-state.ts'
import { type Ask, type DecidedReply, LONGEST_REASON, type Reply } from '#protocol/exchange.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import type { Have, Task } from '#protocol/messages.ts'
import type { Outcome } from '#protocol/outcomes.ts'
import { localSeed, nodeOf } from '#protocol/seeds.ts'
import { shortened } from '#protocol/text.ts'
import { createAttemptUploads } from '../clients/attempt-uploads.ts'
import type { ServedExchange } from '../clients/current-attempt.ts'
import type { ClientKeys } from '../record/client-keys.ts'
import { judgeReply } from '../record/judge-reply.ts'
import { replyStateOf } from '../record/marker-facts.ts'
import type { Marked, RunMarkers } from '../record/markers.ts'
import { lastState, nextStates, type StatesBefore, statesOfReplies } from '../rounds/client-states.ts'

/** How a message ended without a reply that counts. */
interface Ending {
  readonly outcome: Outcome
  readonly reason: string
  readonly text: string
}

export interface OpenExchange extends ServedExchange {
  /** Clients that have not replied to all of their messages. */
  pending(): string[]
  /** Ends every message to the client that has no reply yet. */
  settle(client: string, ending: Ending): void
  /** Decided replies in the order of the ask. Every message must have ended. */
  replies(): DecidedReply[]
  /** The replies that count, by the place of their message. */
  readonly received: ReadonlyMap<number, Marked<Reply>>
  /** The states that the replies leave, by client name. */
  decidedStates(): DecidedState[]
}

export interface OpenExchangeOptions {
  readonly markers: Pick<RunMarkers, 'store' | 'epoch' | 'run'>
  readonly clientKeys: Pick<ClientKeys, 'has'>
  readonly ask: Marked<Ask>
  readonly seed: number
  /** The run's name: with the seed it gives the clients' nodes. */
  readonly run: string
  readonly before: StatesBefore
  /** The deadline, in seconds of the coordinator's clock. */
  readonly until: number
  /** Called after a message ended. */
  readonly onEnd: (decided: DecidedReply) => void
}

/** Opens the exchange that an ask describes. No message has ended. */
export function openExchange(options: OpenExchangeOptions): OpenExchange {
  const { markers, ask, before, until, onEnd } = options
  const { messages, epoch } = ask.value
  const queues = Map.groupBy(messages.keys(), (place) => messages[place]!.client)
  const ended = new Map<number, DecidedReply>()
  const received = new Map<number, Marked<Reply>>()
  const states = { rule: before.rule, last: before.last }
  const placeOf = (client: string): number | undefined =>
    queues.get(client)?.find((place) => !ended.has(place))
  const end = (place: number, { outcome, reason, text }: Ending, reply: Marked<Reply> | null): void => {
    if (ended.has(place)) return
    if (reply !== null) {
      received.set(place, reply)
      states.last = nextStates(states.last, [reply.value], (one) => replyStateOf(one)?.key ?? null)
    }
    const decided: DecidedReply = {
      message: place,
      client: messages[place]!.client,
      outcome,
      reason: shortened(reason, LONGEST_CODE),
      text: shortened(text, LONGEST_REASON),
      reply: reply?.digest ?? null,
    }
    ended.set(place, decided)
    onEnd(decided)
  }
  const check = async (client: string): Promise<void> => {
    // A client may have left replies to several messages.
    for (let place = placeOf(client); place !== undefined; place = placeOf(client)) {
      const { uid } = markers.run.value
      const judged = await judgeReply(markers.store, ask.value, { ...options, uid, place, states })
      if (judged.kind === 'None') return
      if (judged.kind === 'Accepted') end(place, { outcome: 'Accepted', reason: '', text: '' }, judged.reply)
      else end(place, { outcome: 'Rejected', reason: judged.reason, text: judged.message }, null)
    }
  }
  const checks = new Map<string, Promise<void>>()
  return {
    ask,
    until,
    states,
    received,
    placeOf,
    uploads: createAttemptUploads(markers.store, epoch !== markers.epoch),
    isPending: (client) => placeOf(client) !== undefined,
    pending: () => [...queues.keys()].filter((client) => placeOf(client) !== undefined),
    taskFor(client) {
      const place = placeOf(client)
      return place === undefined ? undefined : taskOf(options, { client, place, states })
    },
    async checkReceipt(client) {
      // A check that runs already may have read the store before the reply was there: so check again after it.
      const checking = (checks.get(client) ?? Promise.resolve()).catch(() => {}).then(() => check(client))
      checks.set(client, checking)
      await checking
    },
    recordFailure(client, have: Extract<Have, { state: 'Failed' }>) {
      const place = placeOf(client)
      if (place === undefined || have.round !== ask.value.exchange || have.attempt !== place + 1) return
      end(place, { outcome: 'Failed', reason: have.code, text: have.message }, null)
    },
    settle(client, ending) {
      for (let place = placeOf(client); place !== undefined; place = placeOf(client)) end(place, ending, null)
    },
    replies: () => [...ended.values()].sort((a, b) => a.message - b.message),
    decidedStates: () => statesOfReplies(before, received),
  }
}

/** Letters of a reason. */
const LONGEST_CODE = 128

function taskOf(
  { markers, ask, seed, run }: OpenExchangeOptions,
  {
    client,
    place,
    states,
  }: { readonly client: string; readonly place: number; readonly states: StatesBefore },
): Task {
  const { exchange, messages } = ask.value
  const { kind, group, content } = messages[place]!
  const last = lastState(states, client)
  return {
    kind: 'Message',
    round: exchange,
    attempt: place + 1,
    epoch: markers.epoch,
    base: { key: exchangeKeys(exchange).content(content.sha256), ...content },
    evaluate: false,
    config: {},
    seed: localSeed(seed, exchange, client),
    message: { kind, group, node: nodeOf(seed, run, client) },
    state: {
      ...states.rule,
      last:
        last === null ? null : { sha256: last.sha256, size: last.size, dataset: last.dataset, key: last.key },
    },
  }
}
