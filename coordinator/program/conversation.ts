// Answers the calls of one life of a program: who is there, and exchanges. It begins with the record's first exchange: what an earlier life
// asked is compared with what this one asks, and answered from the record. Guarantees that ask.json is durable before a message
// leaves, and decision.json before the program sees a reply.
import { canonicalJson, decodeJson, encodeJson } from '#protocol/canonical.ts'
import type { StatesRef } from '#protocol/client-state.ts'
import { stateRule } from '#protocol/client-state.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Ask, ExchangeDecision, Member, MemberList, Reply } from '#protocol/exchange.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import { readStates } from '../record/client-states.ts'
import type { Marked } from '../record/markers.ts'
import type { ProgramContext } from './context.ts'
import { compareAsk, countedWith, different, type NumberedMessage, numbered } from './difference.ts'
import { recordedAnswer, withAnswer } from './lists.ts'
import { awaitClients, readyMembers } from './presence.ts'
import { writeList, writeRecorded, writeReplies } from './replies.ts'
import { digestFile, fileWithin, readSmall, storeFile } from './scratch.ts'
import { type Call, type LineToProgram, readMessages, WrongCall } from './seam.ts'
import { writeMap } from './states.ts'

/** Bytes of a list of messages: ten thousand with long paths. */
const MOST_LIST_BYTES = 64 * 1024 * 1024

/** How far a life has come. */
export interface Position {
  /** Exchanges that are decided, and the digest of the last decision; of run.json before the first. */
  readonly exchange: number
  readonly previous: string
  readonly map: StatesRef | undefined
  /** Messages to each client so far. */
  readonly counts: ReadonlyMap<string, number>
  /** Answers to "who is there" since that exchange. */
  readonly lists: readonly MemberList[]
  readonly answers: number
  /** Exchanges of this life that no earlier life had asked for. */
  readonly added: number
}

/** Another coordinator wrote what this life was about to write: the program starts again, and gets what the record has. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

export interface Conversation {
  position(): Position
  clients(call: Extract<Call, { call: 'clients' }>): Promise<LineToProgram>
  /**
   * Answers `differs` where the record has other contents of the same messages, once for an exchange, and only to a program that compares them.
   * Throws WrongCall, RunFailed (ProgramDiffered), Overtaken.
   */
  exchange(call: Extract<Call, { call: 'exchange' }>): Promise<LineToProgram>
}

/** What a coordinator remembers over the lives of its program. */
export interface Heard {
  /** Whether this coordinator has waited for the clients. */
  waited: boolean
  /** Whether it has cleaned the last exchange that an earlier coordinator decided. */
  cleaned: boolean
}

/** The round that the program named last in this life, and the number of its rounds. */
export interface NamedRound {
  readonly round: number | null
  readonly of: number | null
}

interface Outgoing extends NumberedMessage {
  readonly path: string
}

/** What a life has said so far, besides its calls. */
export interface Said {
  /** The round that it is at. */
  readonly named: NamedRound
  /** It takes the answer `differs`. */
  readonly compares: boolean
}

export function openConversation(context: ProgramContext, heard: Heard, said: () => Said): Conversation {
  const { markers, program } = context
  let at: Position = {
    exchange: 0,
    previous: markers.run.digest,
    map: undefined,
    counts: new Map(),
    lists: [],
    answers: 0,
    added: 0,
  }
  /** The exchange whose recorded contents this life has got. */
  let offered = 0

  const ready = async (): Promise<readonly Member[]> => {
    if (!heard.waited) await awaitClients(context, at.exchange + 1)
    heard.waited = true
    return readyMembers(context)
  }
  const prepare = async (path: string): Promise<Outgoing[]> => {
    const { folder } = program
    const list = readMessages(await readSmall(await fileWithin(folder, path), MOST_LIST_BYTES))
    const files = new Map<string, { readonly path: string; readonly content: NumberedMessage['content'] }>()
    for (const named of new Set(list.map(({ content }) => content))) {
      const file = await fileWithin(folder, named)
      files.set(named, { path: file, content: await digestFile(file) })
    }
    return numbered(
      list.map(({ client, kind, group, content }) => ({ client, kind, group, ...files.get(content)! })),
      at.counts,
    )
  }
  /** The exchange's ask in the record: an earlier life's, or this one's. */
  const asked = async (outgoing: readonly Outgoing[], timeout: number | null): Promise<Marked<Ask>> => {
    const exchange = at.exchange + 1
    const stored = await markers.ask(exchange)
    if (stored !== undefined) return stored
    const draft = draftAsk(context, at, outgoing, timeout)
    refuseLarge(draft)
    for (const { content, path } of new Map(outgoing.map((one) => [one.content.sha256, one])).values())
      await storeFile(markers.store, exchangeKeys(exchange).content(content.sha256), path, content)
    context.guard.throwIfStopped()
    const ask = await markers.writeAsk(draft)
    if (canonicalJson(ask.value.lists) !== canonicalJson(at.lists)) throw new Overtaken()
    at = { ...at, added: at.added + 1 }
    return ask
  }

  return {
    position: () => at,
    async clients({ id }) {
      const recorded = await markers.ask(at.exchange + 1)
      const known = recorded && recordedAnswer(recorded.value.lists, at.answers)
      if (recorded !== undefined && known === undefined)
        throw programDiffered(
          `before exchange ${at.exchange + 1}: the program asked who is there; the record has no such question`,
        )
      const clients = known ?? (await ready())
      at = { ...at, answers: at.answers + 1, lists: withAnswer(at.lists, clients) }
      return { type: 'clients', id, clients }
    },
    async exchange({ id, messages, timeout, difference }) {
      const { folder } = program
      const outgoing = await prepare(messages)
      if (outgoing.length === 0) {
        // Nobody is asked, so there is no exchange.
        const replies = await writeList(folder, 'no-replies.json', { replies: [] })
        return { type: 'replies', id, exchange: at.exchange, replies }
      }
      const ask = await asked(outgoing, timeout)
      if (ask.value.previous !== at.previous)
        throw damaged(`${exchangeKeys(ask.value.exchange).ask} does not follow the decision before it`)
      const compared = compareAsk(ask.value, outgoing)
      const { exchange } = ask.value
      if (compared.kind === 'Different') throw programDiffered(compared.sentence)
      if (compared.kind === 'Contents') {
        const { differing, places } = compared
        if (offered === exchange || !said().compares)
          throw programDiffered(sentenceOf(exchange, outgoing, difference) ?? compared.sentence)
        offered = exchange
        const recorded = differing.map((message) => ({
          message,
          content: ask.value.messages[places[message]!]!.content,
        }))
        const contents = await writeRecorded(markers.store, folder, exchange, recorded)
        return { type: 'differs', id, exchange, contents }
      }
      if (offered === exchange) context.observe({ event: 'ReplayRounded', exchange })
      const { named } = said()
      const { decision, received } = await decide(context, ask, { before: at.map, named })
      await cleanAfterEarlier(context, heard, ask.value, decision.value)
      at = {
        exchange,
        previous: decision.digest,
        map: decision.value.map,
        counts: countedWith(at.counts, outgoing),
        lists: [],
        answers: 0,
        added: at.added,
      }
      const { places } = compared
      const replies = await writeReplies(markers.store, folder, {
        decision: decision.value,
        received,
        places,
      })
      return { type: 'replies', id, exchange, replies }
    },
  }
}

/** The program's own words about a content that is another one. */
function sentenceOf(
  exchange: number,
  outgoing: readonly Outgoing[],
  difference: Extract<Call, { call: 'exchange' }>['difference'],
): string | undefined {
  const message = difference === null ? undefined : outgoing[difference.message]
  return message && different(exchange, message, difference!.text).sentence
}

/** A marker that nobody can read back would end the run for good, so it is not written. Throws WrongCall. */
function refuseLarge(draft: Omit<Ask, 'epoch'>): void {
  try {
    decodeJson(encodeJson(draft))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new WrongCall(
      `the record cannot hold these messages in one exchange: ${error.message}`,
      'send fewer messages in an exchange: each takes about 70 bytes for every 4 MiB of its content',
    )
  }
}

/** The failure of a run whose program asks something else than in an earlier life. */
export function programDiffered(sentence: string): FedsamError {
  return new FedsamError('RunFailed', `the program started again and asked something else: ${sentence}`, {
    reason: 'ProgramDiffered',
    remedy:
      'make the program deterministic: it may depend on its seed and on what it was answered, not on clocks, files or other random numbers',
  })
}

function draftAsk(
  { live, markers }: Pick<ProgramContext, 'live' | 'markers'>,
  { exchange, previous, lists }: Position,
  outgoing: readonly Outgoing[],
  timeoutSeconds: number | null,
): Omit<Ask, 'epoch'> {
  const { generation, members, round } = live()
  const asked = new Set(outgoing.map(({ client }) => client))
  const sites = members.flatMap(({ name, publicKey: key }) =>
    key !== undefined && asked.has(name) ? [{ name, key }] : [],
  )
  return {
    schema: 'fedsam.ask/1',
    exchange: exchange + 1,
    previous: exchange === 0 ? markers.run.digest : previous,
    generation,
    lists: [...lists],
    messages: outgoing.map(({ path: _, ...message }) => message),
    timeoutSeconds,
    deadlineSeconds: round.deadlineSeconds,
    ...(sites.length === 0 ? {} : { sites }),
  }
}

/** The decision of an exchange: the record's, or a new one once the exchange is over. */
async function decide(
  context: ProgramContext,
  ask: Marked<Ask>,
  { before, named }: { readonly before: StatesRef | undefined; readonly named: NamedRound },
): Promise<{
  readonly decision: Marked<ExchangeDecision>
  readonly received: ReadonlyMap<number, Marked<Reply>>
}> {
  const { markers, runExchange, guard, clock, observe, fixed } = context
  const { exchange, messages } = ask.value
  const recorded = await markers.exchange(exchange)
  if (recorded !== undefined) {
    if (recorded.value.ask === ask.digest) return { decision: recorded, received: new Map() }
    throw damaged(`${exchangeKeys(exchange).decision} decides another ask`)
  }
  const clients = [...new Set(messages.map(({ client }) => client))].sort()
  observe({ event: 'ExchangeOpened', exchange, ...named, messages: messages.length, clients })
  const began = clock.now()
  const last = await readStates(markers.store, before === undefined ? {} : { states: before })
  const rule = stateRule((fixed.spec.strategy ?? {}) as object)
  const closed = await runExchange(ask, { rule, last })
  guard.throwIfStopped()
  const map = await writeMap(markers.store, exchange, { before, last, next: closed.map })
  const decision = await markers.writeExchange({
    schema: 'fedsam.exchange/1',
    exchange,
    ask: ask.digest,
    replies: [...closed.replies],
    ...(closed.states.length === 0 ? {} : { states: [...closed.states] }),
    ...(map === undefined ? {} : { map }),
  })
  await closed.clean()
  reportClosed(context, decision, closed.received, clock.now() - began)
  return { decision, received: closed.received }
}

/**
 * Cleans an exchange whose coordinator may have ended between the decision and the cleaning: the last one that the record has. That of any
 * exchange before it opened the next one, or answered its program, after it had cleaned.
 */
async function cleanAfterEarlier(
  { markers, cleanDecided, fixed }: Pick<ProgramContext, 'markers' | 'cleanDecided' | 'fixed'>,
  heard: Heard,
  ask: Ask,
  { epoch }: ExchangeDecision,
): Promise<void> {
  if (heard.cleaned || epoch === markers.epoch || (await markers.ask(ask.exchange + 1)) !== undefined) return
  await cleanDecided(ask, stateRule((fixed.spec.strategy ?? {}) as object))
  heard.cleaned = true
}

function reportClosed(
  { observe }: Pick<ProgramContext, 'observe'>,
  { value: { exchange, replies }, digest }: Marked<ExchangeDecision>,
  received: ReadonlyMap<number, Marked<Reply>>,
  seconds: number,
): void {
  const accepted = replies.filter(({ outcome }) => outcome === 'Accepted')
  const errors = accepted.filter(({ message }) => received.get(message)?.value.reply.kind === 'Error')
  const others = replies.filter(({ outcome }) => outcome !== 'Accepted')
  observe({
    event: 'ExchangeCompleted',
    exchange,
    replies: accepted.length,
    errors: errors.length,
    outcomes: others.map(({ client, outcome, reason, text }) => ({ client, outcome, reason, message: text })),
    seconds,
    head: digest,
  })
}

function damaged(message: string): FedsamError {
  return new FedsamError('RecordDamaged', message)
}
