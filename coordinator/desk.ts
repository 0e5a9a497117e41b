// Where clients ask: answers `next` and `grant` of every partition. It holds no truth: tasks come from the open attempt, rights
// from the key that is wanted (grants.ts), and a lost, doubled or late request changes nothing.
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
import type { MessageBus } from '#transport/ports.ts'
import { rungWithin } from './bell.ts'
import { assertCurrent, type RunContext } from './context.ts'
import { answerGrants } from './grants.ts'

/** The served subjects of one run. */
export interface Desk {
  /** Hears nobody any more, and waits for the answers that are under way. The context's signal releases those held open. */
  stop(): Promise<void>
}

/** Serves the run's subjects until stopped. */
export async function openDesk(context: RunContext, bus: MessageBus): Promise<Desk> {
  const prefix = subjectPrefix(context.fixed.namespace, context.fixed.uid)
  const turns = new Map<string, number>()
  const handed: Handed = new Map()
  const told = new Map<string, string>()
  const answering = new Set<Promise<unknown>>()
  const answer = async (subject: string, body: Uint8Array): Promise<object> => {
    const request = readRequest(body)
    // The subject is what permissions hold; a body that names somebody else is answered like an unknown client.
    if (request === undefined || subject !== clientSubject(prefix, request.client)) {
      return { kind: 'refused', epoch: context.book.epoch, reason: 'the request is not of this client' }
    }
    const refused = context.verify && (await refusal(context, told, request))
    if (refused !== undefined) return refused
    if (request.kind === 'grant') return answerGrants(context, request)
    const turn = (turns.get(request.client) ?? 0) + 1
    turns.set(request.client, turn)
    return answerNext(context, request, { handed, isOutdated: () => turns.get(request.client) !== turn })
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

/**
 * The answer to somebody who cannot show to be this client, before anything else takes note of it. Throws, so that nobody is
 * answered, where it cannot be known now: the client asks again. `told` holds the last reason of each client, for observers.
 */
async function refusal(
  { verify, book, observe }: RunContext,
  told: Map<string, string>,
  { client, token }: NextRequest | GrantRequest,
): Promise<NextAnswer | undefined> {
  const reason = await verify?.(client, token)
  if (reason === undefined) return undefined
  if (told.get(client) !== reason) observe({ event: 'ClientRefused', client, message: reason })
  told.set(client, reason)
  return { kind: 'refused', epoch: book.epoch, reason }
}

/**
 * Answers at once where there is something to say, else when something changes, else after the hold. Throws, so that
 * nobody is answered, where the client knows a newer coordinator: that one will answer.
 */
async function answerNext(
  context: RunContext,
  request: NextRequest,
  { handed, isOutdated }: { handed: Handed; isOutdated: () => boolean },
): Promise<NextAnswer> {
  const { clock, pace, bell, book } = context
  const { client, have } = request
  if (request.epoch > book.epoch) await assertCurrent(context)
  takeNote(context, request)
  await lookForReceipt(context, request)
  const until = clock.now() + pace.holdSeconds
  for (;;) {
    const rung = bell.rung()
    const answer = answerNow(context, client, have)
    const pause = answer?.kind === 'task' ? pauseBefore(handed, request, answer.task, clock.now()) : 0
    if (answer !== undefined && pause <= 0) {
      if (answer.kind === 'task') handed.set(client, { name: nameOf(request, answer.task), at: clock.now() })
      return answer
    }
    const left = Math.min(until - clock.now(), answer === undefined ? Number.POSITIVE_INFINITY : pause)
    if (until <= clock.now() || isOutdated() || context.signal.aborted) {
      return { kind: 'wait', epoch: book.epoch, reason: '' }
    }
    await rungWithin(rung, left, context)
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
  const { presence, bell, floor, observe, live } = context
  const { client, have, progress, backend } = request
  const news = presence.hear(request)
  if (news === 'Joined') {
    const available = live().members.filter(({ name }) => presence.isPresent(name)).length
    observe({ event: 'ClientJoined', client, backend, available })
  }
  if (news !== 'Known') bell.ring()
  if (have.state === 'Working' && progress !== null) {
    observe({ event: 'Progress', round: have.round, client, ...progress })
  }
  if (have.state === 'Failed') floor.attempt?.hearFailure(client, have)
  if (have.state === 'Leaving') {
    floor.left.add(client)
    bell.ring()
  }
}

/** A client that left its receipt says so; one without work may have left it and died before saying so. */
async function lookForReceipt({ floor }: RunContext, { client, have }: NextRequest): Promise<void> {
  if (have.state !== 'Left' && have.state !== 'Idle') return
  if (floor.attempt?.isPending(client)) await floor.attempt.look(client)
}

function answerNow(context: RunContext, client: string, have: Have): NextAnswer | undefined {
  const { floor, book } = context
  const epoch = book.epoch
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
