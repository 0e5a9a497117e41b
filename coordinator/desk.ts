// Where clients ask: answers `next` and `grant` of every partition. It holds no truth: tasks come from the open attempt, rights
// from the key that is wanted, and a lost or doubled request changes nothing.
import { encodeJson } from '#protocol/canonical.ts'
import { attemptKeys, parseKey } from '#protocol/keys.ts'
import {
  clientSubject,
  type Granted,
  type GrantRequest,
  type NextAnswer,
  type NextRequest,
  readRequest,
  subjectPrefix,
  type Want,
} from '#protocol/messages.ts'
import type { MessageBus } from '#transport/ports.ts'
import { type RunContext, waitForChange } from './context.ts'

/** Serves the run's subjects until stopped. */
export async function openDesk(context: RunContext, bus: MessageBus): Promise<{ stop(): Promise<void> }> {
  const prefix = subjectPrefix(context.fixed.namespace, context.fixed.uid)
  const turns = new Map<string, number>()
  return bus.serve(clientSubject(prefix, '*'), async (subject, body) => {
    const request = readRequest(body)
    // The subject is what permissions hold; a body that names somebody else is answered like an unknown client.
    if (request === undefined || subject !== clientSubject(prefix, request.client)) {
      return encodeJson({ kind: 'refused', epoch: context.book.epoch, reason: 'the request is not of this client' })
    }
    if (request.kind === 'grant') return encodeJson(await answerGrants(context, request))
    const turn = (turns.get(request.client) ?? 0) + 1
    turns.set(request.client, turn)
    return encodeJson(await answerNext(context, request, () => turns.get(request.client) !== turn))
  })
}

/** Answers at once where there is something to say, else when something changes, else after the hold. */
async function answerNext(context: RunContext, request: NextRequest, isOutdated: () => boolean): Promise<NextAnswer> {
  const { presence, clock, pace, bell, observe } = context
  const { client, have } = request
  if (presence.hear(request)) {
    observe({ event: 'ClientJoined', client, backend: request.backend })
    bell.ring()
  }
  report(context, request)
  await takeNote(context, request)
  const until = clock.now() + pace.holdSeconds
  for (;;) {
    const rung = bell.rung()
    const answer = answerNow(context, client, have)
    if (answer?.kind === 'finished') {
      context.floor.told.add(client)
      bell.ring()
    }
    if (answer !== undefined) return answer
    const left = until - clock.now()
    if (left <= 0 || isOutdated() || context.signal.aborted) return { kind: 'wait', epoch: context.book.epoch, reason: '' }
    await waitForChange(context, rung, left)
  }
}

/** Facts that the request brings: a receipt to look for, a failure. */
async function takeNote(context: RunContext, { client, have }: NextRequest): Promise<void> {
  const attempt = context.floor.attempt
  if (attempt === null || !attempt.isPending(client)) return
  attempt.hear(client, have)
  // A client without work may have left its receipt and died before saying so.
  if (have.state === 'Left' || have.state === 'Idle') await attempt.look(client)
}

function report(context: RunContext, { client, have, progress }: NextRequest): void {
  if (have.state !== 'Working' || progress === null) return
  context.observe({ event: 'Progress', round: have.round, client, ...progress })
}

function answerNow(context: RunContext, client: string, have: NextRequest['have']): NextAnswer | undefined {
  const { floor, book } = context
  const epoch = book.epoch
  if (floor.finished !== null) return { kind: 'finished', epoch, reason: floor.finished }
  if (!context.live().members.some((member) => member.name === client)) {
    return { kind: 'refused', epoch, reason: `the job has no partition named ${client}` }
  }
  const attempt = floor.attempt
  const task = attempt?.taskFor(client)
  if (have.state === 'Working') {
    const same = task !== undefined && have.round === task.round && have.attempt === task.attempt
    if (same && have.epoch === epoch) return undefined
    if (task !== undefined) return { kind: 'task', epoch, task }
    // Between two attempts nothing is taken back: the same work counts in the next attempt at the same round.
    if (attempt === null) return undefined
    return { kind: 'cancel', epoch, round: have.round, attempt: have.attempt, reason: 'the attempt is closed' }
  }
  return task === undefined ? undefined : { kind: 'task', epoch, task }
}

async function answerGrants(context: RunContext, request: GrantRequest): Promise<object> {
  const granted = await Promise.all(request.wants.map((want) => grant(context, request.client, want)))
  return { kind: 'granted', epoch: context.book.epoch, granted }
}

const refused = (reason: string): Granted => ({ kind: 'Refused', reason })

async function grant(context: RunContext, client: string, want: Want): Promise<Granted> {
  const { store } = context.book
  const seconds = context.pace.grantSeconds
  const reason = whyNot(context, client, want)
  if (reason !== undefined) return refused(reason)
  switch (want.kind) {
    case 'Read':
      return { kind: 'Grant', grant: await store.grantRead(want.key, seconds) }
    case 'Write':
      return { kind: 'Grant', grant: await store.grantWrite(want.key, want, seconds) }
    case 'OpenUpload':
      return { kind: 'Upload', upload: await store.openUpload(want.key), parts: [] }
    case 'Part':
      return { kind: 'Grant', grant: await store.grantPart(want.key, want.upload, want, seconds) }
    case 'CompleteUpload': {
      const parts = await store.uploadedParts(want.key, want.upload)
      return { kind: 'Completed', written: await store.completeUpload(want.key, want.upload, parts) }
    }
  }
}

/** Why a want is refused; undefined when it is right. Reading: the base and the attempt's model. Writing: one's own update. */
function whyNot(context: RunContext, client: string, want: Want): string | undefined {
  const key = parseKey(want.key)
  if (key === undefined) return `${want.key} is not a key of this run`
  const plan = context.floor.attempt?.plan.value
  if (want.kind === 'Read') {
    if (key.kind === 'Base') return undefined
    if (key.kind === 'Model' && plan?.base?.payload.key === want.key) return undefined
    return `${want.key} is not for ${client} to read now`
  }
  if (key.kind !== 'Receipt' && key.kind !== 'Payload') return `${want.key} is not for clients to write`
  if (key.client !== client) return `${want.key} belongs to ${key.client}`
  if (plan === undefined || key.round !== plan.round || key.attempt !== plan.attempt) {
    return `round ${key.round}, attempt ${key.attempt} is not open`
  }
  if (key.kind === 'Receipt' && want.key !== attemptKeys(plan.round, plan.attempt).receipt(client)) return 'not the receipt'
  return context.floor.attempt?.isPending(client) ? undefined : `${client} has no open part in this attempt`
}
