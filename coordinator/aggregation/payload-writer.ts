// A payload that is written while it is computed: chunks go to the store and into its digests at once.
// Promises: bounded memory (a push waits until the store took the chunk before it), and that the object under the key is
// what was computed: one that was there already is read back and compared.

import { blockHasher, type PayloadDigest } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'

const READ_BYTES = 8 * 1024 * 1024

export interface PayloadWriter {
  /** The next bytes, which must not change afterwards. */
  push(chunk: Uint8Array): Promise<void>
  /** After the last push. Throws FedsamError RecordDamaged where the key holds other bytes. */
  finish(): Promise<PayloadRef>
  /** Gives the write up; nothing is left under the key by it. */
  abort(cause: unknown): Promise<void>
}

/** Starts to write `size` bytes under `key`. */
export function writePayload(store: ObjectStore, key: string, size: number): PayloadWriter {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const hasher = blockHasher()
  const written = store.write(key, size, readable)
  written.catch(() => {}) // reported by whoever awaits it next
  writer.closed.catch(() => {})
  // A store that is done before the last chunk (it was there already, or it failed) takes no more: never wait for it then.
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
    `${store.description}: ${key} holds ${size} bytes, SHA-256 ${sha256}, where ${computed.size}, ${computed.sha256}, follow from the updates`,
    { remedy: 'find out who wrote it; without it the run goes on and writes it again' },
  )
}
