// Grants: rights to single transfers. The wanted key and the open attempt decide which requests are granted. A client may read
// run.json, the base checkpoint, the attempt's model and its own last state. While the attempt waits for it, it may write one update and
// one state of bounded size for each life of its worker, and one receipt. No grant is valid for longer than the attempt. A site may
// write and read its probe at any time: one object with bytes that everybody knows.
import { encodeJson } from '#protocol/canonical.ts'
import {
  attemptKeys,
  clientStateKeys,
  type ParsedKey,
  parseKey,
  payloadKeys,
  RUN_KEY,
} from '#protocol/keys.ts'
import { type Granted, type GrantRequest, PIECE_BYTES, type Want } from '#protocol/messages.ts'
import { mostUpdateBytes } from '#protocol/outcomes.ts'
import { PROBE } from '#protocol/probe.ts'
import { versionOf } from '#protocol/version.ts'
import { type ObjectStore, type SiteGrants, UploadGone } from '#transport/ports.ts'
import { lastState } from '../rounds/client-states.ts'
import { keyOf } from '../settings/settings.ts'
import type { ClientsContext } from './context.ts'
import type { ServedAttempt } from './current-attempt.ts'
import { sizeOfContent, whyNotReadExchange, whyNotWriteExchange } from './exchange-rights.ts'
import { joinPieces } from './pieces.ts'
import { sizeWanted, whyNotReceipt } from './wanted.ts'

/** What granting needs. */
export type GrantsContext = Pick<
  ClientsContext,
  'markers' | 'live' | 'current' | 'leftovers' | 'clock' | 'pace'
>

/** Parts that one answer names, so that it fits into a message. A client sends parts that are not named again. */
const MOST_PARTS = 8000

/** The longest time in seconds that a site's grant is valid: proxies and edges between networks may log its URL, which is a right. */
const SITE_SECONDS = 300

/** The version of the conversation that has pieces. */
const PIECES_SINCE = 2

/** Answers a request for grants: one answer for each want, in their order. */
export async function answerGrants(context: GrantsContext, request: GrantRequest): Promise<object> {
  const granted = await Promise.all(
    request.wants.map(async (want) => {
      const answer = await grant(context, request.client, want)
      return offersPieces(request, want, answer) ? { ...answer, pieceBytes: PIECE_BYTES } : answer
    }),
  )
  return { kind: 'granted', epoch: context.markers.epoch, granted }
}

/** Whether the answer says that the payload may also come in pieces. */
function offersPieces(request: GrantRequest, want: Want, { kind }: Granted): boolean {
  if (versionOf(request) < PIECES_SINCE) return false
  const key = parseKey(want.key)?.kind
  const writes = want.kind === 'Write' && (key === 'Payload' || key === 'ClientState')
  return kind === 'Upload' || (kind === 'Grant' && writes)
}

/** What clients upload, besides their marker. */
const UPLOADS: ReadonlySet<ParsedKey['kind']> = new Set([
  'Payload',
  'ClientState',
  'Piece',
  'ReplyPayload',
  'ReplyState',
])

async function grant(context: GrantsContext, client: string, want: Want): Promise<Granted> {
  const reason = whyNot(context, client, want)
  if (reason !== undefined) return { kind: 'Refused', reason }
  const store = grantsFor(context, client)
  const attempt = context.current.attempt()
  const seconds = secondsLeft(context, client)
  const { kind } = parseKey(want.key)!
  const isUpload = UPLOADS.has(kind)
  if (isUpload && want.kind !== 'Read') attempt?.uploads.grant(want.key, context.clock.now() + seconds)
  if (kind === 'Probe') context.leftovers.noteProbe(client, context.clock.now() + seconds)
  switch (want.kind) {
    case 'Read':
      context.current.countGranted(sizeOf(context, want.key))
      return {
        kind: 'Grant',
        grant: await store.grantRead(want.key, seconds),
        ...objectOf(context, want.key),
      }
    case 'Write':
      return { kind: 'Grant', grant: await store.grantWrite(want.key, want, seconds) }
    case 'Join':
      return joinPieces(context.markers.store, attempt!.uploads, want)
    case 'OpenUpload':
      return openUpload(attempt!, want.key)
    case 'Part':
    case 'CompleteUpload':
      return continueUpload(context, { attempt: attempt!, client, want })
  }
}

/** Whether the client is a site. */
function isSite({ live }: Pick<GrantsContext, 'live'>, client: string): boolean {
  return keyOf(live(), client) !== undefined
}

/** A site reaches the store by its public name. On one machine, the store has none. */
function grantsFor(context: Pick<GrantsContext, 'live' | 'markers'>, client: string): SiteGrants {
  const { store } = context.markers
  return (isSite(context, client) ? store.forSites : undefined) ?? store
}

/** Seconds for which a grant is valid. Between attempts a client that prepares may read the base for the full time. */
function secondsLeft(
  context: Pick<GrantsContext, 'pace' | 'clock' | 'current' | 'live'>,
  client: string,
): number {
  const { pace, clock, current } = context
  const left = (current.attempt()?.until ?? Number.POSITIVE_INFINITY) - clock.now()
  const longest = isSite(context, client) ? Math.min(pace.grantSeconds, SITE_SECONDS) : pace.grantSeconds
  return Math.max(1, Math.min(longest, left))
}

/** The answer names the parts that arrived, with their digests, so that a client sends only the others. */
async function openUpload({ uploads }: Pick<ServedAttempt, 'uploads'>, key: string): Promise<Granted> {
  const resumed = await uploads.resume(key)
  if (resumed.kind === 'Stored') return { kind: 'Completed', written: 'Exists' }
  const parts = resumed.parts.slice(0, MOST_PARTS).map(({ number, size, sha256 }) => {
    return sha256 === undefined ? { number, size } : { number, size, sha256 }
  })
  return { kind: 'Upload', upload: resumed.upload, parts }
}

interface UploadWant {
  readonly attempt: Pick<ServedAttempt, 'uploads'>
  readonly client: string
  readonly want: Extract<Want, { kind: 'Part' | 'CompleteUpload' }>
}

async function continueUpload(
  context: GrantsContext,
  { attempt: { uploads }, client, want }: UploadWant,
): Promise<Granted> {
  const { key, upload } = want
  const isOpen = await uploads.isOpen(key, upload)
  if (want.kind === 'Part') {
    if (!isOpen) return { kind: 'Refused', reason: `${key} has no open upload of this name` }
    const seconds = secondsLeft(context, client)
    return { kind: 'Grant', grant: await grantsFor(context, client).grantPart(key, upload, want, seconds) }
  }
  const completed = await complete(context.markers.store, want)
  if (completed.kind === 'Completed') uploads.complete(key)
  return completed
}

/** Bytes that a read grant covers, as the record states them. Only reports use it. */
function sizeOf({ markers, current }: Pick<GrantsContext, 'markers' | 'current'>, wanted: string): number {
  const key = parseKey(wanted)
  const open = current.attempt()
  if (open !== null && 'ask' in open) return key?.kind === 'Content' ? sizeOfContent(open, key) : 0
  if (key?.kind === 'Model') return open?.plan.value.base?.payload.size ?? 0
  if (key?.kind !== 'Base') return 0
  return markers.run.value.base?.files.find(({ name }) => name === key.file)?.size ?? 0
}

/** Size and digest of run.json, in the answer to a read of it. A site decides by that file, and so must know that its bytes are the run's. */
function objectOf({ markers }: Pick<GrantsContext, 'markers'>, key: string): Pick<Granting, 'object'> {
  if (key !== RUN_KEY) return {}
  const { value, digest: sha256 } = markers.run
  return { object: { size: encodeJson(value).byteLength, sha256 } } // openRun compared these bytes with the stored ones
}

type Granting = Extract<Granted, { kind: 'Grant' }>

/** A client that lost the answer asks again. By then the object exists and the upload does not. */
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

/** Why a want is refused; undefined where it is granted. */
function whyNot(context: GrantsContext, client: string, want: Want): string | undefined {
  const key = parseKey(want.key)
  if (key === undefined) return `${want.key} is not a key of this run`
  if (!context.live().members.some(({ name }) => name === client)) return `the job has no partition ${client}`
  if (key.kind === 'Probe') return whyNotProbe(context, client, { owner: key.client, want })
  const attempt = context.current.attempt()
  if (attempt !== null && 'ask' in attempt)
    return want.kind === 'Read'
      ? whyNotReadExchange(attempt, client, key, want.key)
      : whyNotWriteExchange(attempt, client, key, want)
  return want.kind === 'Read'
    ? whyNotRead(attempt, client, key, want.key)
    : whyNotWrite(attempt, client, key, want)
}

function whyNotRead(
  attempt: ServedAttempt | null,
  client: string,
  key: ParsedKey,
  name: string,
): string | undefined {
  if (key.kind === 'Base' || key.kind === 'Run') return undefined
  if (key.kind === 'Model' && attempt?.plan.value.base?.payload.key === name) return undefined
  if (key.kind === 'ClientState' && attempt !== null && lastState(attempt.states, client)?.key === name)
    return undefined
  return `${client} may not read ${name} now`
}

function whyNotWrite(
  attempt: ServedAttempt | null,
  client: string,
  key: ParsedKey,
  want: Want,
): string | undefined {
  if (key.kind !== 'Receipt' && key.kind !== 'Payload' && key.kind !== 'ClientState' && key.kind !== 'Piece')
    return `clients may not write ${want.key}`
  if (key.client !== client) return `${want.key} belongs to ${key.client}`
  const plan = attempt?.plan.value
  if (plan === undefined || key.round !== plan.round || key.attempt !== plan.attempt) {
    return `round ${key.round}, attempt ${key.attempt} is not open`
  }
  if (!attempt!.isPending(client)) return `the attempt no longer waits for ${client}`
  if (key.kind === 'Receipt') return whyNotReceipt(want)
  if (key.kind !== 'Piece') return whyNotUpload(attempt!, client, want)
  // A piece counts as a payload that ends with it.
  if (want.kind !== 'Write' || want.size > PIECE_BYTES) return `a piece has at most ${PIECE_BYTES} bytes`
  const size = key.piece * PIECE_BYTES + want.size
  return whyNotUpload(attempt!, client, { ...want, key: key.payload, size })
}

function whyNotUpload(attempt: ServedAttempt, client: string, want: Want): string | undefined {
  return parseKey(want.key)?.kind === 'ClientState'
    ? whyNotState(attempt, client, want)
    : whyNotPayload(attempt, client, want)
}

/** No other body has this digest, so a client can store nothing of its own here. */
function whyNotProbe(
  context: GrantsContext,
  client: string,
  { owner, want }: { readonly owner: string; readonly want: Want },
): string | undefined {
  if (owner !== client) return `${want.key} belongs to ${owner}`
  if (!isSite(context, client)) return 'only a site has a probe'
  if (context.current.finished() !== null) return 'the run is over'
  const isProbe = want.kind === 'Write' && want.size === PROBE.size && want.sha256 === PROBE.sha256
  return want.kind === 'Read' || isProbe ? undefined : `${want.key} has the bytes of the probe, and no others`
}

function whyNotPayload({ plan }: ServedAttempt, client: string, want: Want): string | undefined {
  const { round, attempt, cohort, base } = plan.value
  const most = mostUpdateBytes(base?.payload.size ?? null)
  if (!cohort.includes(client)) return `${client} does not train in this attempt`
  if (!payloadKeys(attemptKeys(round, attempt), client).includes(want.key))
    return `${want.key} is not a name of a payload in this attempt`
  const size = sizeWanted(want)
  if (size <= most) return undefined
  return `an update of this run has at most ${most} bytes; ${client} asked for ${size}`
}

/** Only clients that the attempt waits for come here: they train or evaluate. */
function whyNotState({ plan, states }: ServedAttempt, client: string, want: Want): string | undefined {
  const { round, attempt } = plan.value
  const { place, maxBytes } = states.rule
  if (place === 'Local') return "a client's state stays at the client in this run"
  if (!clientStateKeys(attemptKeys(round, attempt), client).includes(want.key))
    return `${want.key} is not a name of a state in this attempt`
  const size = sizeWanted(want)
  if (size <= maxBytes) return undefined
  return `a client's state has at most ${maxBytes} bytes in this run; ${client} asked for ${size}`
}
