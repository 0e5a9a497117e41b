// How a worker leaves its update and receipt: through granted URLs, asked for when they are needed and again when they
// expired. The payload first, the receipt last; large payloads go up in parts, and an upload that broke off resumes with the parts
// that did not arrive. Each life of a worker leaves its payload under a name of its own (protocol/keys.ts).
import { encodeJson } from '#protocol/canonical.ts'
import { blockHasher, digestPayload, type PayloadDigest, sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, MAX_UPLOADS, uploadName } from '#protocol/keys.ts'
import type { Granted, Task, Want } from '#protocol/messages.ts'
import { mostUpdateBytes } from '#protocol/outcomes.ts'
import type { Receipt } from '#protocol/record.ts'
import { readFully } from '#runtime/file-bytes.ts'
import type { Room } from '#runtime/reused-buffer.ts'
import type { GrantedTransfers, Written } from '#transport/ports.ts'
import type { ForeignFile } from '../trainer/foreign-file.ts'
import { shrunk } from './canonicalise.ts'
import { type AskGrants, NotWanted, withGrant } from './granting.ts'
import { uploadParts } from './part-upload.ts'

/** Payloads above this go up in parts. */
const SINGLE_UPLOAD_BYTES = 32 * 1024 * 1024
/** Bytes that are hashed at a time. */
const STEP_BYTES = 1024 * 1024

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
  /** Payloads of this outcome that this life has stored: what exists under another key is an earlier life's. */
  readonly stored: Set<string>
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
  const { task, client, room } = options
  const file = outcome.update?.file
  if (file === undefined) return leaveReceipt(options, receiptWant(outcome, options, null))
  // A small update is read once, a large one a second time, part by part.
  const bytes = await readSmall(file, room)
  const digest = bytes === undefined ? await digestFile(file) : digestPayload(bytes)
  const most = mostUpdateBytes(task.base?.size ?? null)
  if (digest.size > most)
    throw new FedsamError(
      'TrainerFailed',
      `the trainer's parameters have ${digest.size} bytes; an update of this run has at most ${most}`,
      { remedy: 'return the parameters that fit was given, and no others' },
    )
  for (let number = 1; number <= MAX_UPLOADS; number += 1) {
    const upload = uploadName(number)
    const payload: Payload = {
      key: attemptKeys(task.round, task.attempt).payload(client, upload),
      file,
      bytes,
      digest,
      receipt: receiptWant(outcome, options, { upload, ...digest }),
    }
    if (await leaveUpdate(payload, options)) return
  }
  throw new NotWanted(`${MAX_UPLOADS} earlier lives of this worker left an update in this attempt`)
}

interface ReceiptWant {
  readonly want: Extract<Want, { kind: 'Write' }>
  readonly body: Uint8Array
}

interface Payload {
  readonly key: string
  readonly file: ForeignFile
  /** All of it, where it goes up in one piece. */
  readonly bytes: Uint8Array | undefined
  readonly digest: PayloadDigest
  readonly receipt: ReceiptWant
}

/** Stores the payload and its receipt; false where an earlier life has stored another payload under this key. */
async function leaveUpdate(payload: Payload, options: LeavingOptions): Promise<boolean> {
  const { key, bytes, digest, receipt } = payload
  const { ask, transfers, stored } = options
  let granted: Granted | undefined
  if (!stored.has(key)) {
    let written: Written
    if (bytes === undefined)
      written = await uploadParts({ ...options, key, file: payload.file, size: digest.size })
    else {
      const want: Want = { kind: 'Write', key, size: digest.size, sha256: digest.sha256 }
      // Both grants in one request: a small update costs one round trip to the coordinator and two to the store.
      const [first, second] = await ask([want, receipt.want])
      written = await withGrant(ask, want, (grant) => transfers.write(grant, bytes, digest.sha256), first)
      granted = second
    }
    if (written === 'Exists') return false
    stored.add(key)
  }
  await payload.file.check()
  await leaveReceipt(options, receipt, granted)
  return true
}

async function leaveReceipt(
  { ask, transfers }: LeavingOptions,
  { want, body }: ReceiptWant,
  granted?: Granted,
): Promise<void> {
  await withGrant(ask, want, (grant) => transfers.write(grant, body), granted)
}

function receiptWant(
  outcome: LocalOutcome,
  options: LeavingOptions,
  payload: (PayloadDigest & { upload: string }) | null,
): ReceiptWant {
  const { task, client } = options
  const body = encodeJson(receiptOf(outcome, options, payload))
  const key = attemptKeys(task.round, task.attempt).receipt(client)
  return { want: { kind: 'Write', key, size: body.length, sha256: sha256(body) }, body }
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
    // As long as the schema of receipts allows.
    dataset: dataset.slice(0, 2048),
  }
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
