// Answers the requests `next` and `grant` of every partition. It holds no truth: tasks come from the open attempt, grants from the
// wanted key (grants.ts). A lost, repeated or late request changes nothing. Each client has at most one open request. A request
// that does not belong to a partition of the job is refused before anything records it (callers.ts). The bus lets a client publish
// on its own subject only (gate/), and each request has its client's signature (signed-requests.ts).
import type { ErrorCode } from '#protocol/errors.ts'
import {
  clientSubject,
  type Have,
  type NextAnswer,
  type NextRequest,
  subjectPrefix,
  type Task,
} from '#protocol/messages.ts'
import { shortened } from '#protocol/text.ts'
import { versionOf, versionsApart } from '#protocol/version.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import type { MessageBus } from '#transport/ports.ts'
import { type Callers, createCallers } from './callers.ts'
import type { ClientsContext } from './context.ts'
import { answerGrants } from './grants.ts'
import { type Opened, openSignedRequests, type SignedRequests } from './signed-requests.ts'

/** Answers on the subjects of one run. */
export interface RequestHandler {
  /** Accepts no more requests, and waits for the answers that it is writing. The context's signal ends requests that wait. */
  stop(): Promise<void>
}

/** The handler does not answer: the client sends too many requests. The client repeats the request later. */
export class TooManyRequests extends Error {
  override readonly name = 'TooManyRequests'
}

/** Serves the run's subjects until stopped. */
export async function openRequestHandler(context: ClientsContext, bus: MessageBus): Promise<RequestHandler> {
  const prefix = subjectPrefix(context.fixed.namespace, context.fixed.uid)
  const callers = createCallers(context, prefix)
  const requests = openSignedRequests(context, callers)
  const answer = createAnswer(context, callers, requests)
  const answering = new Set<Promise<unknown>>()
  const serving = await bus.serve(clientSubject(prefix, '*'), async (subject, body) => {
    const answered = answer(subject, body)
    answering.add(answered)
    try {
      return requests.seal(callers.nameOf(subject), body, await answered)
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

/** Checks who sends a request, then answers it. */
function createAnswer(
  context: ClientsContext,
  callers: Callers,
  requests: SignedRequests,
): (subject: string, body: Uint8Array) => Promise<object> {
  const open = new Map<string, OpenRequest>()
  const given: GivenTasks = new Map()
  const refused = (reason: string): NextAnswer => ({
    kind: 'refused',
    epoch: context.markers.epoch,
    reason,
  })
  return async (subject, body) => {
    const client = callers.clientOf(subject)
    if (client === undefined) return refused(`the job has no partition for ${shortened(subject, 200)}`)
    if (!callers.mayAsk(client)) throw new TooManyRequests(`${client} sends too many requests`)
    const opened = requests.open(client, body)
    if (opened.kind === 'Refused') {
      if (callers.mayReport(client))
        context.observe({ event: 'ClientRefused', client, reason: 'BadSignature', message: opened.reason })
      return refused(opened.reason)
    }
    const instead = await requests.take(opened)
    if (instead !== undefined) return instead
    if (opened.kind === 'OtherVersion') return refused(refuseVersion(context, callers, opened))
    const { request } = opened
    if (request.kind === 'grant') return answerGrants(context, request)
    reportIgnored(context, callers, request)
    return answerNext(context, request, { given, newest: replaceOpen(open, client) })
  }
}

/** A client's newest request, until a newer one replaces it. */
interface OpenRequest {
  isReplaced: boolean
  /** Resolves when a newer request of the client arrives. */
  readonly replaced: Promise<void>
  readonly replace: () => void
}

/** Notes the client's newest request, and ends the one before it: a client waits for one answer at a time. */
function replaceOpen(open: Map<string, OpenRequest>, client: string): OpenRequest {
  const { promise, resolve } = Promise.withResolvers<void>()
  const request: OpenRequest = {
    isReplaced: false,
    replaced: promise,
    replace() {
      request.isReplaced = true
      resolve()
    },
  }
  open.get(client)?.replace()
  open.set(client, request)
  return request
}

/** A client that ignores answers has a false coordinator on its bus: observers learn it. */
function reportIgnored(
  { observe }: Pick<ClientsContext, 'observe'>,
  callers: Callers,
  { client, ignored }: NextRequest,
): void {
  if (ignored > 0 && callers.mayReportIgnored(client, ignored))
    observe({ event: 'AnswersIgnored', client, count: ignored })
}

/**
 * Records that a client speaks a version that this coordinator does not understand, and returns the reason. An attempt that waits for
 * this client goes on without it.
 */
function refuseVersion(
  context: ClientsContext,
  callers: Callers,
  { request }: Extract<Opened, { kind: 'OtherVersion' }>,
): string {
  const { presence, observe, notifier } = context
  const { client, incarnation } = request
  const version = versionOf(request)
  const { message: apart, remedy } = versionsApart({ client: version, coordinator: context.version })
  const message = `${apart}; ${remedy}`
  // A request for grants says nothing about presence: the check of a site sends one while its agent works.
  if (request.kind === 'grant') return message
  const mayReport = callers.mayReport(client)
  const change = presence.refuse({ client, incarnation, version, message })
  if (change !== 'Ignored') goOnWithout(context, client, { code: 'OtherVersion', message })
  if (mayReport) observe({ event: 'ClientRefused', client, reason: 'OtherVersion', message })
  if (change === 'NotReady') notifier.notify()
  return message
}

/** Answers as soon as there is an answer, at the latest after the hold. */
async function answerNext(
  context: ClientsContext,
  request: NextRequest,
  { given, newest }: { readonly given: GivenTasks; readonly newest: OpenRequest },
): Promise<NextAnswer> {
  const { clock, pace, notifier, markers } = context
  const { client, have } = request
  record(context, request)
  await checkReceipt(context, request)
  const until = clock.now() + pace.holdSeconds
  for (;;) {
    const notified = notifier.next()
    const answer = answerNow(context, client, have)
    const pause = answer?.kind === 'task' ? pauseBefore(given, request, answer.task, clock.now()) : 0
    if (answer !== undefined && pause <= 0) {
      if (answer.kind === 'task') given.set(client, { name: nameOf(request, answer.task), at: clock.now() })
      return answer
    }
    const left = Math.min(until - clock.now(), answer === undefined ? Number.POSITIVE_INFINITY : pause)
    if (until <= clock.now() || newest.isReplaced || context.signal.aborted) {
      return { kind: 'wait', epoch: markers.epoch, reason: '' }
    }
    await waitAtMost(Promise.race([notified, newest.replaced]), left, context)
  }
}

/** The last task of each client, and when the client received it. */
type GivenTasks = Map<string, { readonly name: string; readonly at: number }>

/** Least seconds between two answers with the same task. A client that asks for its task again has lost it or ignores it. */
const AGAIN_SECONDS = 1

function nameOf({ incarnation }: NextRequest, { round, attempt }: Task): string {
  return `${round}/${attempt}/${incarnation}`
}

function pauseBefore(given: GivenTasks, request: NextRequest, task: Task, now: number): number {
  const last = given.get(request.client)
  return last?.name === nameOf(request, task) ? last.at + AGAIN_SECONDS - now : 0
}

/** Records what the request itself reports: presence, progress, failure, departure. */
function record(context: ClientsContext, request: NextRequest): void {
  const { presence, notifier, current, observe, live } = context
  const { client, have, progress, backend } = request
  const change = presence.record(request)
  if (change === 'Joined') {
    const available = live().members.filter(({ name }) => presence.isReady(name)).length
    observe({ event: 'ClientJoined', client, backend, available })
  }
  if (have.state === 'Working' && progress !== null) {
    observe({ event: 'Progress', round: have.round, client, ...progress })
  }
  if (have.state === 'Failed') current.attempt()?.recordFailure(client, have)
  if (have.state === 'Declined') goOnWithout(context, client, { code: 'SiteRefused', message: have.message })
  if (change !== 'Known' || have.state === 'Leaving') notifier.notify()
}

/** An attempt that waits for a client which takes no part now goes on without it. */
function goOnWithout(
  { current, markers }: Pick<ClientsContext, 'current' | 'markers'>,
  client: string,
  { code, message }: { readonly code: ErrorCode; readonly message: string },
): void {
  const open = current.attempt()
  const task = open?.taskFor(client)
  if (task === undefined) return
  const { round, attempt } = task
  open!.recordFailure(client, {
    state: 'Failed',
    round,
    attempt,
    epoch: markers.epoch,
    code,
    message,
  })
}

/** A client that has written its receipt says so. An idle one may have written it and restarted before it could say so. */
async function checkReceipt(
  { current }: Pick<ClientsContext, 'current'>,
  { client, have }: NextRequest,
): Promise<void> {
  if (have.state !== 'Left' && have.state !== 'Idle') return
  const attempt = current.attempt()
  if (attempt?.isPending(client)) await attempt.checkReceipt(client)
}

/** The answer to give at once; undefined: the request waits. */
function answerNow(
  { current, markers, live }: Pick<ClientsContext, 'current' | 'markers' | 'live'>,
  client: string,
  have: Have,
): NextAnswer | undefined {
  const { epoch } = markers
  const finished = current.finished()
  if (finished !== null) return { kind: 'finished', epoch, ...finished }
  if (have.state === 'Leaving') return { kind: 'wait', epoch, reason: '' }
  if (!live().members.some((member) => member.name === client)) {
    return { kind: 'refused', epoch, reason: `the job has no partition named ${client}` }
  }
  // A client that prepares or declines reports again while it waits.
  if (have.state === 'Preparing' || have.state === 'Declined') return undefined
  const attempt = current.attempt()
  const task = attempt?.taskFor(client)
  if (have.state === 'Working') {
    const same = task !== undefined && have.round === task.round && have.attempt === task.attempt
    if (same && have.epoch === epoch) return undefined
    if (task !== undefined) return { kind: 'task', epoch, task }
    // Between two attempts no work is cancelled: it counts in the next attempt at the same round.
    if (attempt === null) return undefined
    return { kind: 'cancel', epoch, round: have.round, attempt: have.attempt, reason: 'it is not needed' }
  }
  return task === undefined ? undefined : { kind: 'task', epoch, task }
}
