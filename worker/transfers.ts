// How a worker leaves its update and receipt: through granted URLs, asked for when they are needed and again when they
// expired. The payload first, the receipt last; large payloads go up in parts.
import { randomBytes } from 'node:crypto'
import { encodeJson } from '#protocol/canonical.ts'
import { blockHasher, digestPayload, type PayloadDigest, sha256 } from '#protocol/digest.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { Granted, Task, Want } from '#protocol/messages.ts'
import type { Receipt } from '#protocol/record.ts'
import { readFully } from '#transport/file-bytes.ts'
import { type Grant, type GrantedTransfers, GrantRefused } from '#transport/ports.ts'
import type { Room } from '#transport/room.ts'
import { shrunk } from './canonicalise.ts'
import type { ForeignFile } from './trainer/foreign-file.ts'

/** Payloads above this go up in parts. */
const SINGLE_UPLOAD_BYTES = 32 * 1024 * 1024
/** Parts of a large upload; S3 wants at least 5 MiB and at most 10,000 of them. */
const PART_BYTES = 16 * 1024 * 1024
/** Bytes that are hashed at a time. */
const STEP_BYTES = 1024 * 1024
/** Parts whose grants are asked for at once: the store signs them one by one, the coordinator is asked once a page. */
const PARTS_PER_PAGE = 16

/** Asks the coordinator for grants, in the order of the wants. Throws NotWanted when it cannot be reached. */
export type AskGrants = (wants: readonly Want[]) => Promise<readonly Granted[]>

/** The closed attempt does not want this any more: drop the work. */
export class NotWanted extends Error {
  override readonly name = 'NotWanted'
}

function grantOf(granted: Granted | undefined): Grant {
  if (granted?.kind === 'Grant') return granted.grant
  throw new NotWanted(granted?.kind === 'Refused' ? granted.reason : 'no grant came')
}

/** Runs a granted transfer; a grant that does not hold (any more) is asked for once more. */
export async function withGrant<T>(
  ask: AskGrants,
  want: Want,
  use: (grant: Grant) => Promise<T>,
  first?: Granted,
): Promise<T> {
  try {
    return await use(grantOf(first ?? (await ask([want]))[0]))
  } catch (error) {
    if (!(error instanceof GrantRefused)) throw error
    return use(grantOf((await ask([want]))[0]))
  }
}

/** What the local work came to. */
export interface LocalOutcome {
  /** The trained parameters' file, open, its name, and what fit said of them; null for an evaluate-only task. */
  readonly update: {
    readonly file: ForeignFile
    readonly path: string
    readonly numExamples: number
    readonly metrics: Readonly<Record<string, number>>
  } | null
  readonly evaluation: Receipt['evaluation']
  /** Why there is no evaluation; null where there is one, or where nobody asked for one. */
  readonly notEvaluated: Receipt['notEvaluated']
}

export interface LeavingOptions {
  readonly task: Task
  readonly client: string
  readonly incarnation: string
  readonly dataset: string
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
  /** What is sent passes through here. */
  readonly room: Room
  readonly signal: AbortSignal
}

/**
 * Uploads the payload where there is one, then leaves the receipt. Throws NotWanted where the attempt is closed, and TrainerFailed
 * where somebody wrote to the file since it was opened: no receipt names such bytes.
 */
export async function leaveOutcome(outcome: LocalOutcome, options: LeavingOptions): Promise<void> {
  try {
    await leave(outcome, options)
  } catch (error) {
    throw error instanceof RangeError ? shrunk(error) : error
  }
}

async function leave(outcome: LocalOutcome, options: LeavingOptions): Promise<void> {
  const { task, client, ask, transfers } = options
  const keys = attemptKeys(task.round, task.attempt)
  const upload = randomBytes(16).toString('hex')
  const file = outcome.update?.file
  // A small update is read once, a large one a second time, part by part.
  const bytes = file === undefined ? undefined : await readSmall(file, options.room)
  const digest =
    file === undefined ? null : bytes === undefined ? await digestFile(file) : digestPayload(bytes)
  const body = encodeJson(receiptOf(outcome, options, digest && { upload, ...digest }))
  const receipt = writeOf(keys.receipt(client), body)
  const leaveReceipt = (granted?: Granted): Promise<unknown> =>
    withGrant(ask, receipt, (grant) => transfers.write(grant, body), granted)
  const key = keys.payload(client, upload)
  if (file === undefined || digest === null) {
    await leaveReceipt()
  } else if (bytes !== undefined) {
    const payload: Want = { kind: 'Write', key, size: digest.size, sha256: digest.sha256 }
    // Both grants in one request: a small update costs one round trip to the coordinator and two to the store.
    const [first, second] = await ask([payload, receipt])
    await withGrant(ask, payload, (grant) => transfers.write(grant, bytes, digest.sha256), first)
    await file.check()
    await leaveReceipt(second)
  } else {
    await uploadParts(file, { ...options, key, size: digest.size })
    await file.check()
    await leaveReceipt()
  }
}

function writeOf(key: string, body: Uint8Array): Want {
  return { kind: 'Write', key, size: body.length, sha256: sha256(body) }
}

function receiptOf(
  { update, evaluation, notEvaluated }: LocalOutcome,
  { task, client, incarnation, dataset }: LeavingOptions,
  payload: (PayloadDigest & { upload: string }) | null,
): Receipt {
  return {
    schema: 'fedsam.receipt/1',
    client,
    round: task.round,
    attempt: task.attempt,
    incarnation,
    base: task.base?.sha256 ?? null,
    update:
      update === null || payload === null
        ? null
        : { ...payload, numExamples: update.numExamples, metrics: { ...update.metrics } },
    evaluation,
    notEvaluated,
    dataset,
  }
}

interface Parts extends Pick<LeavingOptions, 'ask' | 'transfers' | 'room' | 'signal'> {
  readonly key: string
  readonly size: number
}

async function uploadParts(
  { handle }: ForeignFile,
  { key, size, ask, transfers, room, signal }: Parts,
): Promise<void> {
  const [opened] = await ask([{ kind: 'OpenUpload', key }])
  if (opened?.kind !== 'Upload') throw new NotWanted('no upload was opened')
  const { upload } = opened
  const offsets = Array.from({ length: Math.ceil(size / PART_BYTES) }, (_, i) => i * PART_BYTES)
  const partAt = (offset: number): Promise<Uint8Array> =>
    readFully(handle, offset, room.subarray(Math.min(PART_BYTES, size - offset)))
  for (let at = 0; at < offsets.length; at += PARTS_PER_PAGE) {
    const wants: Want[] = []
    for (const [i, offset] of offsets.slice(at, at + PARTS_PER_PAGE).entries()) {
      const bytes = await partAt(offset)
      wants.push({ kind: 'Part', key, upload, number: at + i + 1, size: bytes.length, sha256: sha256(bytes) })
    }
    const granted = await ask(wants)
    for (const [i, want] of wants.entries()) {
      if (signal.aborted) throw new NotWanted('the work was given up')
      const bytes = await partAt(offsets[at + i]!)
      await withGrant(ask, want, (grant) => transfers.write(grant, bytes), granted[i])
    }
  }
  const [completed] = await ask([{ kind: 'CompleteUpload', key, upload }])
  if (completed?.kind !== 'Completed') throw new NotWanted('the upload was not completed')
}

async function digestFile({ handle, size }: ForeignFile): Promise<PayloadDigest> {
  const hasher = blockHasher()
  for (let at = 0; at < size; at += STEP_BYTES)
    hasher.update(await readFully(handle, at, new Uint8Array(Math.min(STEP_BYTES, size - at))))
  return hasher.finish()
}

/** All of a file that goes up in one piece; undefined for a larger one. */
async function readSmall({ handle, size }: ForeignFile, room: Room): Promise<Uint8Array | undefined> {
  return size <= SINGLE_UPLOAD_BYTES ? readFully(handle, 0, room.subarray(size)) : undefined
}
