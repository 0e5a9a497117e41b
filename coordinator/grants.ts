// Rights to single transfers: which wants of a client are granted, decided by the key that is wanted and the open attempt.
// A client reads run.json, the base and the attempt's model, and writes one update and one receipt of its own, while it is awaited.
import { attemptKeys, type ParsedKey, parseKey } from '#protocol/keys.ts'
import type { Granted, GrantRequest, Want } from '#protocol/messages.ts'
import { type ObjectStore, UploadGone } from '#transport/ports.ts'
import type { RunContext } from './context.ts'

/** Longest receipt: block digests of 5 GB of parameters take 350 kB. It is read into memory, so its size is bounded. */
const RECEIPT_BYTES = 4 * 1024 * 1024

/** The answer to a request for grants: one for each want, in their order. */
export async function answerGrants(context: RunContext, request: GrantRequest): Promise<object> {
  const granted = await Promise.all(request.wants.map((want) => grant(context, request.client, want)))
  return { kind: 'granted', epoch: context.book.epoch, granted }
}

async function grant(context: RunContext, client: string, want: Want): Promise<Granted> {
  const reason = whyNot(context, client, want)
  if (reason !== undefined) return { kind: 'Refused', reason }
  const { store } = context.book
  const seconds = context.pace.grantSeconds
  switch (want.kind) {
    case 'Read':
      context.floor.sentBytes += sizeOf(context, want.key)
      return { kind: 'Grant', grant: await store.grantRead(want.key, seconds) }
    case 'Write':
      return { kind: 'Grant', grant: await store.grantWrite(want.key, want, seconds) }
    case 'OpenUpload': {
      const upload = await store.openUpload(want.key)
      context.floor.attempt?.uploads.set(upload, want.key)
      return { kind: 'Upload', upload, parts: [] }
    }
    case 'Part':
      return { kind: 'Grant', grant: await store.grantPart(want.key, want.upload, want, seconds) }
    case 'CompleteUpload': {
      const completed = await complete(store, want.key, want.upload)
      context.floor.attempt?.uploads.delete(want.upload)
      return completed
    }
  }
}

/** Bytes that a client reads by a grant, as the record has them: for people. */
function sizeOf({ book, floor }: RunContext, wanted: string): number {
  const key = parseKey(wanted)
  if (key?.kind === 'Model') return floor.attempt?.plan.value.base?.payload.size ?? 0
  if (key?.kind !== 'Base') return 0
  return book.run.value.base?.files.find(({ name }) => name === key.file)?.size ?? 0
}

/** Completing is asked for again where the first answer was lost: then the object is there, and the upload is not. */
async function complete(store: ObjectStore, key: string, upload: string): Promise<Granted> {
  try {
    const parts = await store.uploadedParts(key, upload)
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
  if (key.kind === 'Receipt') {
    if (want.kind !== 'Write' || want.size > RECEIPT_BYTES)
      return `a receipt has at most ${RECEIPT_BYTES} bytes`
    if (want.key !== attemptKeys(plan.round, plan.attempt).receipt(client)) return 'it is not the receipt'
  }
  return attempt!.isPending(client) ? undefined : `${client} has no open part in this attempt`
}
