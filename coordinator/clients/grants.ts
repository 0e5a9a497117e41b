// Rights to single transfers: which wants of a client are granted, decided by the key that is wanted and the open attempt.
// A client reads run.json, the base and the attempt's model. While it is awaited it writes one update of bounded size for each of
// its lives, and one receipt. No grant is valid for longer than the attempt.
import { attemptKeys, type ParsedKey, parseKey, payloadKeys } from '#protocol/keys.ts'
import { type Granted, type GrantRequest, PART_BYTES, type Want } from '#protocol/messages.ts'
import { mostUpdateBytes } from '#protocol/outcomes.ts'
import { type ObjectStore, UploadGone } from '#transport/ports.ts'
import type { OpenAttempt } from '../attempts/attempt.ts'
import type { RunContext } from '../run/context.ts'

/** Longest receipt: block digests of 5 GB of parameters take 350 kB. It is read into memory, so its size is bounded. */
const RECEIPT_BYTES = 4 * 1024 * 1024

/** Parts that one answer names; more would not fit into a message. A client sends the others again. */
const MOST_PARTS = 8000
/** The answer to a request for grants: one for each want, in their order. */
export async function answerGrants(context: RunContext, request: GrantRequest): Promise<object> {
  const granted = await Promise.all(request.wants.map((want) => grant(context, request.client, want)))
  return { kind: 'granted', epoch: context.markers.epoch, granted }
}

async function grant(context: RunContext, client: string, want: Want): Promise<Granted> {
  const reason = whyNot(context, client, want)
  if (reason !== undefined) return { kind: 'Refused', reason }
  const { store } = context.markers
  const attempt = context.floor.attempt
  const seconds = secondsLeft(context)
  if (parseKey(want.key)?.kind === 'Payload') attempt?.uploads.grant(want.key, context.clock.now() + seconds)
  switch (want.kind) {
    case 'Read':
      context.floor.sentBytes += sizeOf(context, want.key)
      return { kind: 'Grant', grant: await store.grantRead(want.key, seconds) }
    case 'Write':
      return { kind: 'Grant', grant: await store.grantWrite(want.key, want, seconds) }
    case 'OpenUpload':
      return openUpload(attempt!, want.key)
    case 'Part':
    case 'CompleteUpload':
      return continueUpload(context, attempt!, want)
  }
}

/** No grant outlives the attempt; while none is open, a client that prepares reads the base. */
function secondsLeft({ pace, clock, floor }: RunContext): number {
  const left = (floor.attempt?.until ?? Number.POSITIVE_INFINITY) - clock.now()
  return Math.max(1, Math.min(pace.grantSeconds, left))
}

/** The parts that arrived are named with their digests, so that a client sends only the others. */
async function openUpload({ uploads }: OpenAttempt, key: string): Promise<Granted> {
  const resumed = await uploads.resume(key)
  if (resumed.kind === 'Stored') return { kind: 'Completed', written: 'Exists' }
  const parts = resumed.parts.slice(0, MOST_PARTS).map(({ number, size, sha256 }) => {
    return sha256 === undefined ? { number, size } : { number, size, sha256 }
  })
  return { kind: 'Upload', upload: resumed.upload, parts }
}

async function continueUpload(
  context: RunContext,
  { uploads }: OpenAttempt,
  want: Extract<Want, { kind: 'Part' | 'CompleteUpload' }>,
): Promise<Granted> {
  const { store } = context.markers
  const { key, upload } = want
  const isOpen = await uploads.isOpen(key, upload)
  if (want.kind === 'Part') {
    if (!isOpen) return { kind: 'Refused', reason: `${key} has no open upload of this name` }
    return { kind: 'Grant', grant: await store.grantPart(key, upload, want, secondsLeft(context)) }
  }
  const completed = await complete(store, want)
  if (completed.kind === 'Completed') uploads.complete(key)
  return completed
}

/** Bytes that a client reads by a grant, as the record has them: for people. */
function sizeOf({ markers, floor }: RunContext, wanted: string): number {
  const key = parseKey(wanted)
  if (key?.kind === 'Model') return floor.attempt?.plan.value.base?.payload.size ?? 0
  if (key?.kind !== 'Base') return 0
  return markers.run.value.base?.files.find(({ name }) => name === key.file)?.size ?? 0
}

/** Completing is asked for again where the first answer was lost: then the object is there, and the upload is not. */
async function complete(
  store: ObjectStore,
  { key, upload, parts: count }: Extract<Want, { kind: 'CompleteUpload' }>,
): Promise<Granted> {
  try {
    const parts = (await store.uploadedParts(key, upload)).filter(({ number }) => number <= count)
    return { kind: 'Completed', written: await store.completeUpload(key, upload, parts) }
  } catch (error) {
    if (!(error instanceof UploadGone)) throw error
    if ((await store.size(key)) !== undefined) return { kind: 'Completed', written: 'Exists' }
    return { kind: 'Refused', reason: error.message }
  }
}

/** Why a want is refused; undefined when it is right. */
function whyNot(context: RunContext, client: string, want: Want): string | undefined {
  const key = parseKey(want.key)
  if (key === undefined) return `${want.key} is not a key of this run`
  if (!context.live().members.some(({ name }) => name === client)) return `the job has no partition ${client}`
  return want.kind === 'Read'
    ? whyNotRead(context, client, key, want.key)
    : whyNotWrite(context, client, key, want)
}

function whyNotRead(context: RunContext, client: string, key: ParsedKey, name: string): string | undefined {
  if (key.kind === 'Base' || key.kind === 'Run') return undefined
  const plan = context.floor.attempt?.plan.value
  if (key.kind === 'Model' && plan?.base?.payload.key === name) return undefined
  return `${name} is not for ${client} to read now`
}

function whyNotWrite(context: RunContext, client: string, key: ParsedKey, want: Want): string | undefined {
  if (key.kind !== 'Receipt' && key.kind !== 'Payload') return `${want.key} is not for clients to write`
  if (key.client !== client) return `${want.key} belongs to ${key.client}`
  const attempt = context.floor.attempt
  const plan = attempt?.plan.value
  if (plan === undefined || key.round !== plan.round || key.attempt !== plan.attempt) {
    return `round ${key.round}, attempt ${key.attempt} is not open`
  }
  if (!attempt!.isPending(client)) return `${client} has no open part in this attempt`
  return key.kind === 'Receipt' ? whyNotReceipt(want) : whyNotPayload(attempt!, client, want)
}

function whyNotReceipt(want: Want): string | undefined {
  if (want.kind === 'Write' && want.size <= RECEIPT_BYTES) return undefined
  return `a receipt has at most ${RECEIPT_BYTES} bytes, and one part`
}

function whyNotPayload({ plan }: OpenAttempt, client: string, want: Want): string | undefined {
  const { round, attempt, cohort, base } = plan.value
  const most = mostUpdateBytes(base?.payload.size ?? null)
  if (!cohort.includes(client)) return `${client} does not train in this attempt`
  if (!payloadKeys(attemptKeys(round, attempt), client).includes(want.key))
    return `${want.key} is not a name of a payload in this attempt`
  const size = sizeWanted(want)
  if (size <= most) return undefined
  return `an update of this run has at most ${most} bytes; ${size} were asked for`
}

/** What the payload would have at least, with what is wanted. */
function sizeWanted(want: Want): number {
  if (want.kind === 'Write') return want.size
  if (want.kind !== 'Part') return 0
  return want.size > PART_BYTES ? Number.POSITIVE_INFINITY : (want.number - 1) * PART_BYTES + want.size
}
