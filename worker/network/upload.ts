// Uploads a worker's state, its update and then its receipt, through granted URLs. Guarantees the order payloads first, receipt last; that an
// interrupted large upload resumes with the parts that are missing; and that each life of a worker writes its payload under its own
// name (protocol/keys.ts).
import { blockHasher, digestPayload, type PayloadDigest, sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { MOST_REPLY_BYTES, type Reply } from '#protocol/exchange.ts'
import { MAX_UPLOADS, uploadName } from '#protocol/keys.ts'
import { type Granted, type Task, uidOf, type Want } from '#protocol/messages.ts'
import { mostUpdateBytes } from '#protocol/outcomes.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import type { Receipt } from '#protocol/record.ts'
import { readFully } from '#runtime/file-bytes.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { Written } from '#transport/ports.ts'
import type { ForeignFile } from '../trainer/foreign-file.ts'
import { shrunk } from './canonical-update.ts'
import { keepState, type OwnState, type StateOfTask } from './client-state.ts'
import { type AskGrants, NotWanted, withGrant } from './grants.ts'
import { uploadParts } from './multipart-upload.ts'
import type { WorkerOptions } from './options.ts'
import { type LineState, orInPieces, pieceBytesOf } from './pieces.ts'
import { taskKeys } from './task-keys.ts'

/** Larger payloads, in bytes, are uploaded in parts. An interrupted upload below this size costs seconds to repeat. */
const SINGLE_UPLOAD_BYTES = 32 * 1024 * 1024
/** Bytes that are read and hashed at a time: bounds the memory that hashing takes. */
const STEP_BYTES = 1024 * 1024

/** The outcome of the local work. */
export interface LocalOutcome {
  /**
   * The open file of the trained parameters, its path, and what fit reported; null for an evaluate-only task. Of a message: the file of the
   * reply; null where the reply is an error.
   */
  readonly update: {
    readonly file: ForeignFile
    readonly path: string
    readonly numExamples: number
    readonly metrics: Readonly<Record<string, number>>
  } | null
  readonly evaluation: Receipt['evaluation']
  /** Why there is no evaluation; null where there is one, or where the task asked for none. */
  readonly notEvaluated: Receipt['notEvaluated']
  /** null: the coordinator's release keeps no states. */
  readonly state: StateOfTask | null
  /** Of a message: the error with which the client replies. */
  readonly error?: { readonly code: number; readonly reason: string } | null
}

export type UploadOptions = Pick<
  WorkerOptions,
  'client' | 'incarnation' | 'prefix' | 'key' | 'transfers' | 'signal'
> & {
  readonly task: Task
  readonly dataset: string
  /** The folder for states whose bytes stay here. */
  readonly states: string
  readonly ask: AskGrants
  /** Memory for the bytes that are sent. */
  readonly buffer: ReusedBuffer
  /** Absent: a payload goes in one transfer, or in parts. */
  readonly line?: LineState
  /** Keys of the payloads of this outcome that this life has stored. Every other payload belongs to an earlier life. */
  readonly stored: Set<string>
}

/**
 * Uploads the payload where there is one, then the receipt. Throws NotWanted where the attempt is closed, and TrainerFailed where
 * the file changed after it was opened: no receipt names such bytes.
 */
export async function uploadOutcome(outcome: LocalOutcome, options: UploadOptions): Promise<void> {
  try {
    await upload(outcome, options)
  } catch (error) {
    throw error instanceof RangeError ? shrunk(error) : error
  }
}

async function upload(outcome: LocalOutcome, options: UploadOptions): Promise<void> {
  const { task, client, buffer } = options
  const states = outcome.state === null ? {} : await uploadState(outcome.state, options)
  const file = outcome.update?.file
  if (file === undefined)
    return uploadReceipt(options, receiptWant(outcome, options, { payload: null, states }))
  // A small update is read once. A large one is read twice: for its digest, and part by part for the upload.
  const bytes = await readSmall(file, buffer)
  const digest = bytes === undefined ? await digestFile(file) : digestPayload(bytes)
  const most = task.kind === 'Message' ? MOST_REPLY_BYTES : mostUpdateBytes(task.base?.size ?? null)
  if (digest.size > most)
    throw new FedsamError(
      'TrainerFailed',
      `the trainer's parameters have ${digest.size} bytes; the limit for an update of this run is ${most} bytes`,
      { remedy: 'return from fit exactly the parameters that it received' },
    )
  for (let number = 1; number <= MAX_UPLOADS; number += 1) {
    const name = uploadName(number)
    const payload: Payload = {
      key: taskKeys(task, client).payload(name),
      file,
      bytes,
      digest,
    }
    const receipt = receiptWant(outcome, options, { payload: { upload: name, ...digest }, states })
    // Both grants in one request: a small update costs one round trip to the coordinator and two to the store.
    const stored = await uploadUnder(payload, options, [receipt.want])
    if (stored === 'Taken') continue
    await file.check()
    return uploadReceipt(options, receipt, stored[0])
  }
  throw new NotWanted(`${MAX_UPLOADS} earlier lives of this worker uploaded an update in this attempt`)
}

/** What the receipt says of the client's state. */
type ReceiptStates = Pick<Receipt, 'state' | 'stateBase'>

/** Stores the bytes of a new state: in the attempt, or at this client, as the job says. One that equals its base travels no bytes. */
async function uploadState(state: StateOfTask, options: UploadOptions): Promise<ReceiptStates> {
  const { base: stateBase, current } = state
  if (current === null) return { state: null, stateBase }
  if (current.kind === 'Last') {
    const { sha256, size } = current
    return { state: { sha256, size, upload: null, blocks: [] }, stateBase }
  }
  current.digest ??= await digestFile(current.file)
  const { digest } = current
  if (digest.sha256 === stateBase) return { state: { ...digest, upload: null, blocks: [] }, stateBase }
  const upload = state.place === 'Local' ? null : await uploadNewState(current, digest, options)
  if (state.place === 'Local') await keepState({ ...current, digest }, options.states)
  await current.file.check()
  return { state: { ...digest, upload, blocks: upload === null ? [] : digest.blocks }, stateBase }
}

/** Stores the bytes in the attempt; resolves to the name of the upload. */
async function uploadNewState(
  { file }: Extract<OwnState, { kind: 'New' }>,
  digest: PayloadDigest,
  options: UploadOptions,
): Promise<string> {
  const { task, client, buffer } = options
  const bytes = await readSmall(file, buffer)
  for (let number = 1; number <= MAX_UPLOADS; number += 1) {
    const name = uploadName(number)
    const key = taskKeys(task, client).state(name)
    if ((await uploadUnder({ key, file, bytes, digest }, options)) !== 'Taken') return name
  }
  throw new NotWanted(`${MAX_UPLOADS} earlier lives of this worker uploaded a state in this attempt`)
}

interface ReceiptWant {
  readonly want: Extract<Want, { kind: 'Write' }>
  readonly body: Uint8Array
}

interface Payload {
  readonly key: string
  readonly file: ForeignFile
  /** All bytes of a payload that is uploaded in one piece. */
  readonly bytes: Uint8Array | undefined
  readonly digest: PayloadDigest
}

/**
 * Stores the payload under its key; 'Taken' where an earlier life has stored another payload there. `next`: wants to ask with that of
 * a small payload; resolves to their answers, where it asked.
 */
async function uploadUnder(
  { key, file, bytes, digest }: Payload,
  options: UploadOptions,
  next: readonly Want[] = [],
): Promise<'Taken' | readonly Granted[]> {
  const { ask, transfers, stored } = options
  if (stored.has(key)) return []
  let written: Written
  let granted: readonly Granted[] = []
  if (bytes === undefined) written = await uploadParts({ ...options, key, file, ...digest })
  else {
    const want: Want = { kind: 'Write', key, size: digest.size, sha256: digest.sha256 }
    const [first, ...others] = await ask([want, ...next])
    const pieced = { ...options, key, file, ...digest, pieceBytes: pieceBytesOf(first) }
    written = await orInPieces(pieced, (tries) =>
      withGrant(ask, want, (grant) => transfers.write(grant, bytes, digest.sha256, tries), first),
    )
    granted = others
  }
  if (written === 'Exists') return 'Taken'
  stored.add(key)
  return granted
}

async function uploadReceipt(
  { ask, transfers }: UploadOptions,
  { want, body }: ReceiptWant,
  granted?: Granted,
): Promise<void> {
  await withGrant(ask, want, (grant) => transfers.write(grant, body), granted)
}

/** The payloads that a receipt names. */
interface Named {
  readonly payload: (PayloadDigest & { upload: string }) | null
  readonly states: ReceiptStates
}

function receiptWant(outcome: LocalOutcome, options: UploadOptions, named: Named): ReceiptWant {
  const { task, client, key: signingKey, prefix } = options
  const marker =
    task.kind === 'Message' ? replyOf(outcome, options, named) : receiptOf(outcome, options, named)
  const body = signReceipt(signingKey, uidOf(prefix), marker)
  const key = taskKeys(task, client).marker
  return { want: { kind: 'Write', key, size: body.length, sha256: sha256(body) }, body }
}

function receiptOf(
  { update, evaluation, notEvaluated }: LocalOutcome,
  { task, client, incarnation, dataset }: UploadOptions,
  { payload, states }: Named,
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
    // The schema of receipts allows this length.
    dataset: dataset.slice(0, 2048),
    ...states,
  }
}

function replyOf(
  { error }: LocalOutcome,
  { task, client, incarnation, dataset }: UploadOptions,
  { payload, states }: Named,
): Omit<Reply, 'key' | 'signature'> {
  const { state = null, stateBase = null } = states
  return {
    schema: 'fedsam.reply/1',
    client,
    exchange: task.round,
    message: task.attempt - 1,
    content: task.base!.sha256, // a message always has a content
    incarnation,
    reply: payload === null ? { kind: 'Error', ...error! } : { kind: 'Content', ...payload },
    // The schema of replies allows this length.
    dataset: dataset.slice(0, 2048),
    state,
    stateBase,
  }
}

async function digestFile({ handle, size }: ForeignFile): Promise<PayloadDigest> {
  const hasher = blockHasher()
  for (let at = 0; at < size; at += STEP_BYTES)
    hasher.update(await readFully(handle, at, new Uint8Array(Math.min(STEP_BYTES, size - at))))
  return hasher.finish()
}

/** The bytes of a file that is uploaded in one piece; undefined for a larger one. */
async function readSmall(
  { handle, size }: ForeignFile,
  buffer: ReusedBuffer,
): Promise<Uint8Array | undefined> {
  return size <= SINGLE_UPLOAD_BYTES ? readFully(handle, 0, buffer.subarray(size)) : undefined
}
