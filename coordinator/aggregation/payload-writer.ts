// Writes a payload while it is computed: each chunk goes to the store and into the digests. Memory is bounded, since a push waits
// until the store has taken the chunk before. The object under the key is what was computed: an object that existed before is
// read back and compared.

import { blockHasher, type PayloadDigest } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'

/** Bytes that one read of an existing object asks for. */
const READ_BYTES = 8 * 1024 * 1024

export interface PayloadWriter {
  /** The next bytes, which must not change afterwards. */
  push(chunk: Uint8Array): Promise<void>
  /** After the last push. Throws FedsamError RecordDamaged where the key holds other bytes. */
  finish(): Promise<PayloadRef>
  /** Aborts the write. It leaves no object under the key. */
  abort(cause: unknown): Promise<void>
}

/** Starts to write `size` bytes under `key`. */
export function writePayload(store: ObjectStore, key: string, size: number): PayloadWriter {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const hasher = blockHasher()
  const written = store.write(key, size, readable)
  written.catch(() => {}) // the next await of it reports the error
  writer.closed.catch(() => {})
  // A store that ends before the last chunk, because the object exists or the write failed, takes no more chunks: do not wait for
  // it.
  const taken = (step: Promise<void>): Promise<unknown> => Promise.race([step.catch(() => written), written])
  return {
    async push(chunk) {
      hasher.update(chunk)
      await taken(writer.write(chunk))
    },
    async finish() {
      await taken(writer.close())
      const outcome = await written
      const computed = hasher.finish()
      if (outcome === 'Exists') await compare(store, key, computed)
      return { key, size: computed.size, sha256: computed.sha256, blocks: [...computed.blocks] }
    },
    async abort(cause) {
      await Promise.race([writer.abort(cause).catch(() => {}), written.catch(() => {})])
      await written.catch(() => {})
    },
  }
}

async function compare(store: ObjectStore, key: string, computed: PayloadDigest): Promise<void> {
  const size = await store.size(key)
  const hasher = blockHasher()
  for (let offset = 0; size === computed.size && offset < size; offset += READ_BYTES) {
    const chunk = await store.get(key, { offset, length: Math.min(READ_BYTES, size - offset) })
    if (chunk !== undefined) hasher.update(chunk)
  }
  const { sha256 } = hasher.finish()
  if (sha256 === computed.sha256) return
  throw new FedsamError(
    'RecordDamaged',
    `${store.description}: ${key} has ${size} bytes, SHA-256 ${sha256}; the updates give ${computed.size} bytes, SHA-256 ${computed.sha256}`,
    { remedy: 'find out what wrote the object; if you delete it, the run continues and writes it again' },
  )
}
