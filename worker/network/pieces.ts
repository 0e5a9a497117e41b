// Sends a payload in pieces where it does not get through in one transfer: a line that is cut again and again carries less between two cuts.
// The coordinator names the pieces that the store does not have, and joins them at the end. Guarantees that no piece that arrived is sent
// again, also after a restart. Only a worker on a bad line does so, and only for a coordinator that joins pieces.
import { sha256 as digestOf } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { pieceKey } from '#protocol/keys.ts'
import type { Granted, Want } from '#protocol/messages.ts'
import { readFully } from '#runtime/file-bytes.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { GrantedTransfers, Written } from '#transport/ports.ts'
import type { ForeignFile } from '../trainer/foreign-file.ts'
import { type AskGrants, NotWanted, refusalReason, withGrant } from './grants.ts'

/** What a worker learned of its line. */
export interface LineState {
  needsPieces: boolean
}

/** Tries of a large transfer before it goes in pieces: one cut may be chance. */
const TRIES = 2
/** Pieces whose grants one request asks for: no grant expires before its piece is sent. */
const PIECES_PER_PAGE = 8

export interface PiecedUpload {
  readonly key: string
  readonly file: ForeignFile
  readonly size: number
  readonly sha256: string
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
  readonly buffer: ReusedBuffer
  readonly signal: AbortSignal
  readonly line?: LineState
  /** Bytes of a piece; undefined where the coordinator joins none. */
  readonly pieceBytes: number | undefined
}

/** Bytes of a piece, as the coordinator's answer names them. */
export function pieceBytesOf(granted: Granted | undefined): number | undefined {
  return granted?.kind === 'Grant' || granted?.kind === 'Upload' ? granted.pieceBytes : undefined
}

/** Runs the transfer, with so many tries; in pieces if it does not get through, and from the start where an earlier one did not. */
export async function orInPieces(
  upload: PiecedUpload,
  transfer: (tries?: number) => Promise<Written>,
): Promise<Written> {
  const { line, size, pieceBytes } = upload
  if (line === undefined || pieceBytes === undefined || size <= pieceBytes) return transfer()
  if (line.needsPieces) return sendPieces(upload, pieceBytes)
  try {
    return await transfer(TRIES)
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'StorageUnreachable') throw error
    line.needsPieces = true
    return sendPieces(upload, pieceBytes)
  }
}

async function sendPieces(upload: PiecedUpload, pieceBytes: number): Promise<Written> {
  const { key, size, sha256, ask } = upload
  for (;;) {
    const [joined] = await ask([{ kind: 'Join', key, size, sha256 }])
    if (joined?.kind === 'Completed') return joined.written
    if (joined?.kind !== 'Missing')
      throw new NotWanted(refusalReason(joined, 'the coordinator joined no pieces'))
    for (let at = 0; at < joined.pieces.length; at += PIECES_PER_PAGE)
      await sendPage(upload, pieceBytes, joined.pieces.slice(at, at + PIECES_PER_PAGE))
  }
}

async function sendPage(upload: PiecedUpload, pieceBytes: number, pieces: readonly number[]): Promise<void> {
  const { key, ask, transfers, signal } = upload
  const wants: Extract<Want, { kind: 'Write' }>[] = []
  for (const piece of pieces) {
    const bytes = await pieceAt(upload, pieceBytes, piece)
    wants.push({ kind: 'Write', key: pieceKey(key, piece), size: bytes.length, sha256: digestOf(bytes) })
  }
  const granted = await ask(wants)
  for (const [i, want] of wants.entries()) {
    if (signal.aborted) throw new NotWanted('the worker gave up the work')
    const bytes = await pieceAt(upload, pieceBytes, pieces[i]!)
    await withGrant(ask, want, (grant) => transfers.write(grant, bytes, want.sha256), granted[i])
  }
}

async function pieceAt(
  { file, size, buffer }: PiecedUpload,
  length: number,
  piece: number,
): Promise<Uint8Array> {
  const offset = piece * length
  if (offset >= size) throw new NotWanted('the coordinator asks for bytes that the update does not have')
  return readFully(file.handle, offset, buffer.subarray(Math.min(length, size - offset)))
}
