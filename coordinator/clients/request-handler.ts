// Where clients ask: answers `next` and `grant` of every partition. It holds no truth: tasks come from the open attempt, rights
// from the key that is wanted (grants.ts), and a lost, doubled or late request changes nothing. Each client has one request open
// at most. A request that is not of a partition of the job is refused before anything takes note of it (callers.ts).
import { encodeJson } from '#protocol/canonical.ts'
import {
  clientSubject,
  type GrantRequest,
  type Have,
  type NextAnswer,
  type NextRequest,
  readRequest,
  subjectPrefix,
  type Task,
} from '#protocol/messages.ts'
import { shortened } from '#protocol/text.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import type { MessageBus } from '#transport/ports.ts'
import { assertCurrent, type RunContext } from '../run/context.ts'
import { type Callers, createCallers } from './callers.ts'
import { answerGrants } from './grants.ts'

/** The served subjects of one run. */
export interface RequestHandler {
  /** Hears nobody any more, and waits for the answers that are under way. The context's signal releases those held open. */
  stop(): Promise<void>
}

/** A request that is not answered, because its client sends too many. The client repeats it. */
export class TooManyRequests extends Error {
  override readonly name = 'TooManyRequests'
}

/** Serves the run's subjects until stopped. */
export async function openRequestHandler(context: RunContext, bus: MessageBus): Promise<RequestHandler> {
  const prefix = subjectPrefix(context.fixed.namespace, context.fixed.uid)
  const callers = createCallers(context, prefix)
  const open = new Map<string, Turn>()
  const handed: Handed = new Map()
  const answering = new Set<Promise<unknown>>()
  const refused = (reason: string): NextAnswer => ({ kind: 'refused', epoch: context.markers.epoch, reason })
  const answer = async (subject: string, body: Uint8Array): Promise<object> => {
    const client = callers.clientOf(subject)
    if (client === undefined) return refused(`the job has no partition for ${shortened(subject, 200)}`)
    if (!callers.mayAsk(client)) throw new TooManyRequests(`${client} sends too many requests`)
    const request = readRequest(body)
    // The subject is what permissions hold; a body that names somebody else is answered like an unknown client.
    if (request === undefined || request.client !== client)
      return refused('the request is not of this client')
    const reason = await whyRefused(context, callers, request)
    if (reason !== undefined) return refused(reason)
    if (request.kind === 'grant') return answerGrants(context, request)
    const turn = takeTurn(open, client)
    return answerNext(context, request, { handed, turn })
  }
  const serving = await bus.serve(clientSubject(prefix, '*'), async (subject, body) => {
    const answered = answer(subject, body)
    answering.add(answered)
    try {
      return encodeJson(await answered)
    } finally {
      answering.delete(answered)
    }
  })
  return {
    async stop() {
      await serving.stop()
      await Promise.allSettled(answering)
    },
  }
}

/** A client's newest request, as long as it is that. */
interface Turn {
  over: boolean
  /** Resolves when a newer request of the client came. */
  readonly outdated: Promise<void>
  readonly end: () => void
}

/** Begins the client's turn, and ends the one before it: a client waits for one answer at a time. */
function takeTurn(open: Map<string, Turn>, client: string): Turn {
  const { promise, resolve } = Promise.withResolvers<void>()
  const turn: Turn = {
    over: false,
    outdated: promise,
    end() {
      turn.over = true
      resolve()
    },
  }
  open.get(client)?.end()
  open.set(client, turn)
  return turn
}

/**
 * Why the sender is not this client, before anything else takes note of it. Throws, so that nobody is answered, where that
 * cannot be known now: the client asks again.
 */
async function whyRefused(
  { verify, observe }: RunContext,
  callers: Callers,
  { client, token }: NextRequest | GrantRequest,
): Promise<string | undefined> {
  const reason = await verify?.(client, token)
  if (reason !== undefined && callers.mayTell(client))
    observe({ event: 'ClientRefused', client, message: reason })
  return reason
}

/**
 * Answers at once where there is something to say, else when something changes, else after the hold. Throws, so that
 * nobody is answered, where the client knows a newer coordinator: that one will answer.
 */
async function answerNext(
  context: RunContext,
  request: NextRequest,
  { handed, turn }: { readonly handed: Handed; readonly turn: Turn },
): Promise<NextAnswer> {
  const { clock, pace, notifier, markers } = context
  const { client, have } = request
  if (request.epoch > markers.epoch) await assertCurrent(context)
  takeNote(context, request)
  await lookForReceipt(context, request)
  const until = clock.now() + pace.holdSeconds
  for (;;) {
    const notified = notifier.next()
    const answer = answerNow(context, client, have)
    const pause = answer?.kind === 'task' ? pauseBefore(handed, request, answer.task, clock.now()) : 0
    if (answer !== undefined && pause <= 0) {
      if (answer.kind === 'task') handed.set(client, { name: nameOf(request, answer.task), at: clock.now() })
      return answer
    }
    const left = Math.min(until - clock.now(), answer === undefined ? Number.POSITIVE_INFINITY : pause)
    if (until <= clock.now() || turn.over || context.signal.aborted) {
      return { kind: 'wait', epoch: markers.epoch, reason: '' }
    }
    await waitAtMost(Promise.race([notified, turn.outdated]), left, context)
  }
}

/** The task that each client was given last, and when. */
type Handed = Map<string, { readonly name: string; readonly at: number }>

/** A client that comes back for the same task has lost it, or does not do it: it is given it once in so many seconds. */
const AGAIN_SECONDS = 1

function nameOf({ incarnation }: NextRequest, { round, attempt }: Task): string {
  return `${round}/${attempt}/${incarnation}`
}

function pauseBefore(handed: Handed, request: NextRequest, task: Task, now: number): number {
  const last = handed.get(request.client)
  return last?.name === nameOf(request, task) ? last.at + AGAIN_SECONDS - now : 0
}

/** Facts that the request brings by itself. */
function takeNote(context: RunContext, request: NextRequest): void {
  const { presence, notifier, floor, observe, live } = context
  const { client, have, progress, backend } = request
  const news = presence.hear(request)
  if (news === 'Joined') {
    const available = live().members.filter(({ name }) => presence.isPresent(name)).length
    observe({ event: 'ClientJoined', client, backend, available })
  }
  if (news !== 'Known') notifier.notify()
  if (have.state === 'Working' && progress !== null) {
    observe({ event: 'Progress', round: have.round, client, ...progress })
  }
  if (have.state === 'Failed') floor.attempt?.hearFailure(client, have)
  if (have.state === 'Leaving') {
    floor.left.add(client)
    notifier.notify()
  }
}

/** A client that left its receipt says so; one without work may have left it and died before saying so. */
async function lookForReceipt({ floor }: RunContext, { client, have }: NextRequest): Promise<void> {
  if (have.state !== 'Left' && have.state !== 'Idle') return
  if (floor.attempt?.isPending(client)) await floor.attempt.look(client)
}

function answerNow(context: RunContext, client: string, have: Have): NextAnswer | undefined {
  const { floor, markers } = context
  const epoch = markers.epoch
  if (floor.finished !== null) return { kind: 'finished', epoch, reason: floor.finished }
  if (have.state === 'Leaving') return { kind: 'wait', epoch, reason: '' }
  if (!context.live().members.some((member) => member.name === client)) {
    return { kind: 'refused', epoch, reason: `the job has no partition named ${client}` }
  }
  // What it waits for is heard, and asked for again later.
  if (have.state === 'Preparing') return undefined
  const attempt = floor.attempt
  const task = attempt?.taskFor(client)
  if (have.state === 'Working') {
    const same = task !== undefined && have.round === task.round && have.attempt === task.attempt
    if (same && have.epoch === epoch) return undefined
    if (task !== undefined) return { kind: 'task', epoch, task }
    // Between two attempts nothing is taken back: the same work counts in the next attempt at the same round.
    if (attempt === null) return undefined
    return { kind: 'cancel', epoch, round: have.round, attempt: have.attempt, reason: 'it is not needed' }
  }
  return task === undefined ? undefined : { kind: 'task', epoch, task }
}
