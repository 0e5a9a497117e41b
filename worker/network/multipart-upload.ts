// Uploads a large payload in parts, and resumes an interrupted upload: the coordinator lists the parts in the store with their
// digests, and the worker sends only the others. It replaces a part whose digest differs: an earlier life of this worker trained
// another update.
import { sha256 } from '#protocol/digest.ts'
import { type Granted, PART_BYTES, type Want } from '#protocol/messages.ts'
import { readFully } from '#runtime/file-bytes.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { GrantedTransfers, Written } from '#transport/ports.ts'
import type { ForeignFile } from '../trainer/foreign-file.ts'
import { type AskGrants, NotWanted, refusalReason, withGrant } from './grants.ts'
import { type LineState, orInPieces, pieceBytesOf } from './pieces.ts'

/** Parts whose grants one request asks for: fewer requests than parts, and no grant expires before its part is sent. */
const PARTS_PER_PAGE = 16

export interface PartUpload {
  readonly key: string
  readonly file: ForeignFile
  /** Bytes of the file, and their SHA-256. */
  readonly size: number
  readonly sha256: string
  readonly line?: LineState
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
  /** Memory for the part that is sent. */
  readonly buffer: ReusedBuffer
  readonly signal: AbortSignal
}

/** Sends the parts that the store does not have yet. 'Exists': an earlier life has stored this payload. Throws NotWanted. */
export async function uploadParts(payload: PartUpload): Promise<Written> {
  const { key, ask } = payload
  const [opened] = await ask([{ kind: 'OpenUpload', key }])
  if (opened?.kind === 'Completed') return opened.written
  if (opened?.kind !== 'Upload')
    throw new NotWanted(refusalReason(opened, 'the coordinator opened no upload'))
  // A line that carried one part carries the others.
  if (opened.parts.length > 0) return sendParts(payload, opened)
  const pieced = { ...payload, pieceBytes: pieceBytesOf(opened) }
  return orInPieces(pieced, (tries) => sendParts(payload, opened, tries))
}

/** `tries`: of each part. */
async function sendParts(
  payload: PartUpload,
  { upload, parts: before }: Extract<Granted, { kind: 'Upload' }>,
  tries?: number,
): Promise<Written> {
  const { key, size, ask } = payload
  const arrived = new Map(before.map((part) => [part.number, part.sha256]))
  const parts = Math.ceil(size / PART_BYTES)
  for (let first = 1; first <= parts; first += PARTS_PER_PAGE) {
    const last = Math.min(parts, first + PARTS_PER_PAGE - 1)
    const wants = await wantsOf(payload, upload, [first, last])
    await sendPage(
      payload,
      wants.filter(({ number, sha256 }) => arrived.get(number) !== sha256),
      tries,
    )
  }
  const [completed] = await ask([{ kind: 'CompleteUpload', key, upload, parts }])
  if (completed?.kind !== 'Completed')
    throw new NotWanted(refusalReason(completed, 'the coordinator did not complete the upload'))
  // This life sent the parts, even if the answer to an earlier CompleteUpload was lost.
  return 'Created'
}

type PartWant = Extract<Want, { kind: 'Part' }>

async function wantsOf(
  payload: PartUpload,
  upload: string,
  [first, last]: readonly [number, number],
): Promise<PartWant[]> {
  const wants: PartWant[] = []
  for (let number = first; number <= last; number += 1) {
    const bytes = await partAt(payload, number)
    const terms = { number, size: bytes.length, sha256: sha256(bytes) }
    wants.push({ kind: 'Part', key: payload.key, upload, ...terms })
  }
  return wants
}

async function sendPage(
  payload: PartUpload,
  wants: readonly PartWant[],
  tries: number | undefined,
): Promise<void> {
  const { ask, transfers, signal } = payload
  const granted = wants.length === 0 ? [] : await ask(wants)
  for (const [i, want] of wants.entries()) {
    if (signal.aborted) throw new NotWanted('the worker gave up the work')
    const bytes = await partAt(payload, want.number)
    await withGrant(ask, want, (grant) => transfers.write(grant, bytes, want.sha256, tries), granted[i])
  }
}

async function partAt({ file, size, buffer }: PartUpload, number: number): Promise<Uint8Array> {
  const offset = (number - 1) * PART_BYTES
  return readFully(file.handle, offset, buffer.subarray(Math.min(PART_BYTES, size - offset)))
}
