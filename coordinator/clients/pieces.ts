// Stores a payload that came in pieces, because the client's line carries no more between two cuts. The pieces are objects beside the
// payload, in the order of their numbers. Guarantees that a payload has the digest that the client named, or does not exist; and that the
// pieces of a stored payload are deleted, the first one last: if it is gone, all are.
import { createHash } from 'node:crypto'
import { pieceKey } from '#protocol/keys.ts'
import { type Granted, PIECE_BYTES, type Want } from '#protocol/messages.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { AttemptUploads } from './attempt-uploads.ts'

/** Requests to the store at a time. */
const AT_ONCE = 16
/** Missing pieces that one answer names: more than a client sends before it asks again. */
const MOST_MISSING = 1000

type Join = Extract<Want, { kind: 'Join' }>

/** A client that lost the answer asks again, and gets the same one. */
export function joinPieces(
  store: ObjectStore,
  uploads: Pick<AttemptUploads, 'inTurn' | 'joined' | 'join'>,
  { key, size, sha256 }: Join,
): Promise<Granted> {
  return uploads.inTurn(key, async () => {
    if (uploads.joined.get(key) === sha256) return { kind: 'Completed', written: 'Created' }
    if ((await store.size(key)) !== undefined) return { kind: 'Completed', written: 'Exists' }
    const pieces = Array.from({ length: Math.ceil(size / PIECE_BYTES) }, (_, piece) => piece)
    const missing = await missingOf(store, key, pieces)
    if (missing.length > 0) return { kind: 'Missing', pieces: missing.slice(0, MOST_MISSING) }
    try {
      const written = await store.write(key, size, verified(store, { key, sha256 }, pieces))
      if (written === 'Created') uploads.join(key, sha256)
      await deletePieces(store, key, pieces.length)
      return { kind: 'Completed', written }
    } catch (error) {
      if (!(error instanceof WrongPieces) && !(error instanceof RangeError)) throw error
      // An earlier life of the worker trained another update.
      await deletePieces(store, key, pieces.length)
      return { kind: 'Missing', pieces: pieces.slice(0, MOST_MISSING) }
    }
  })
}

/** The pieces do not make the payload that the client named. */
class WrongPieces extends Error {}

async function missingOf(store: ObjectStore, key: string, pieces: readonly number[]): Promise<number[]> {
  const missing: number[] = []
  for (let at = 0; at < pieces.length; at += AT_ONCE) {
    const page = pieces.slice(at, at + AT_ONCE)
    const sizes = await Promise.all(page.map((piece) => store.size(pieceKey(key, piece))))
    missing.push(...page.filter((_, i) => sizes[i] === undefined))
  }
  return missing
}

async function* verified(
  store: ObjectStore,
  { key, sha256 }: Pick<Join, 'key' | 'sha256'>,
  pieces: readonly number[],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for (const piece of pieces) {
    const bytes = await store.get(pieceKey(key, piece))
    if (bytes === undefined) throw new WrongPieces()
    hash.update(bytes)
    // The last bytes go on only if the whole is right.
    if (piece === pieces.length - 1 && hash.digest('hex') !== sha256) throw new WrongPieces()
    yield bytes
  }
}

/** Deletes the pieces of a payload, the first one last. */
async function deletePieces(store: ObjectStore, key: string, count: number): Promise<void> {
  for (let end = count; end > 1; end -= AT_ONCE) {
    const page = Array.from({ length: Math.min(AT_ONCE, end - 1) }, (_, i) => end - 1 - i)
    await Promise.all(page.map((piece) => store.delete(pieceKey(key, piece))))
  }
  await store.delete(pieceKey(key, 0))
}

/** Deletes the pieces that a client left, if there are any. `most`: bytes of the largest payload. */
export async function deleteLeftPieces(store: ObjectStore, key: string, most: number): Promise<void> {
  if ((await store.size(pieceKey(key, 0))) !== undefined)
    await deletePieces(store, key, Math.ceil(most / PIECE_BYTES))
}
