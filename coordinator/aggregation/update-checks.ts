// Admits an update: checks every byte against its receipt, the run's tensor list and the plan's base, before a model may use it.
// The order of the checks is fixed, so that a fault always has the same reason. Memory is bounded for any claimed size, and a
// check never blocks the event loop for longer than one block takes. The strategy weighs updates later, in the fold.

import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BLOCK_BYTES } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { MAX_NUM_EXAMPLES, type RejectionReason } from '#protocol/outcomes.ts'
import type { PayloadRef, Receipt } from '#protocol/record.ts'
import { headerLength, parseHeader, SafetensorsError } from '#protocol/safetensors.ts'
import type { TensorList, TensorSpec } from '#protocol/tensors.ts'
import type { StoreReader } from '#transport/ports.ts'
import { measureNorm, type NormMeasure } from './norm.ts'
import { firstNotFinite } from './numbers.ts'
import { type PayloadSource, readPayload } from './payload-reader.ts'
import { prefetch } from './prefetch.ts'
import { type PayloadLayout, payloadLayout, type Slice, slicesOf } from './slices.ts'
import { tensorDifference } from './tensor-difference.ts'

/** Bytes that are checked at a time. */
const SLICE_BYTES = 4 * BLOCK_BYTES
/**
 * Bytes of a header that is always parsed. A header that differs from the run's is parsed only to describe the difference. A longer
 * header, above twice the run's, is rejected by its length: parsing it would take time that a client chooses.
 */
const SMALL_HEADER = 64 * 1024

export type Admission =
  | {
      readonly kind: 'Admitted'
      /** The update's bytes, where they are kept so that the fold need not read them. */
      readonly bytes?: Uint8Array
      /** The norm of its difference to the base; null where the base cannot be read, or the plan has no base. */
      readonly norm: number | null
    }
  | { readonly kind: 'Rejected'; readonly reason: RejectionReason; readonly message: string }

export interface AdmissionRequest {
  readonly receipt: Receipt
  /** The receipt's upload. */
  readonly payload: PayloadRef
  /** The plan's base model, with its bytes where they are in memory; null in round 0. */
  readonly base: PayloadSource | null
  readonly list: TensorList
}

interface Subject {
  readonly store: StoreReader
  readonly payload: PayloadRef
  /** The verified payload, where it has a single block. */
  readonly bytes: Uint8Array | undefined
  readonly base: PayloadSource | null
  readonly list: TensorList
  readonly layout: PayloadLayout
}

/**
 * Admits or rejects an update. Checks, in this order: num_examples, base, size, tensor list, digests, finite values,
 * norm.
 * Throws what the store throws (StorageUnreachable): the client is not at fault for that.
 */
export async function admit(store: StoreReader, request: AdmissionRequest): Promise<Admission> {
  const { receipt, payload, base, list } = request
  const wrongCount = wrongNumExamples(receipt)
  if (wrongCount !== undefined) return wrongCount
  const wanted = base?.payload.sha256 ?? null
  if (receipt.base !== wanted)
    return rejected('WrongBase', `trained from ${receipt.base}, the plan's base is ${wanted}`)
  const layout = payloadLayout(list)
  return checked(async () => {
    const wrong = await wrongSize({ store, payload })
    if (wrong !== undefined) return wrong
    // A payload of one block is read and hashed once. A larger one is read by slices, after its header.
    const bytes =
      payload.blocks.length === 1 ? await readPayload(store, { payload }, [0, payload.size]) : undefined
    const subject = { store, payload, bytes, base, list, layout }
    return (await wrongLayout(subject)) ?? checkBytes(subject)
  })
}

/** Bytes that differ from the receipt are the client's fault here, not damage of the record. */
async function checked(check: () => Promise<Admission>): Promise<Admission> {
  try {
    return await check()
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged')
      return rejected('WrongDigest', error.message)
    throw error
  }
}

function rejected(reason: RejectionReason, message: string): Admission {
  return { kind: 'Rejected', reason, message }
}

function wrongNumExamples({ update }: Receipt): Admission | undefined {
  const numExamples = update?.numExamples
  if (Number.isSafeInteger(numExamples) && numExamples! >= 1 && numExamples! <= MAX_NUM_EXAMPLES)
    return undefined
  return rejected(
    'BadNumExamples',
    `num_examples is ${numExamples}, not a whole number from 1 to ${MAX_NUM_EXAMPLES}`,
  )
}

async function wrongSize({
  store,
  payload,
}: Pick<Subject, 'store' | 'payload'>): Promise<Admission | undefined> {
  const { key, size, blocks } = payload
  if (blocks.length !== Math.ceil(size / BLOCK_BYTES)) {
    return rejected('BadReceipt', `the receipt has ${blocks.length} block digests for ${size} bytes`)
  }
  const stored = await store.size(key)
  if (stored === undefined) return rejected('WrongSize', `${key} is not in the store`)
  if (stored === size) return undefined
  return rejected('WrongSize', `${key} has ${stored} bytes, the receipt states ${size}`)
}

/** Compares the header by its bytes. Where they differ, it parses the header to describe the difference. */
async function wrongLayout({ store, payload, bytes, layout, list }: Subject): Promise<Admission | undefined> {
  if (payload.size === layout.size) {
    const header = await readPayload(store, { payload, bytes }, [0, layout.header.length])
    if (Buffer.compare(header, layout.header) === 0) return undefined
  }
  const found = await readTensors(store, payload, layout.header.length)
  const difference = typeof found === 'string' ? found : tensorDifference(list, found)
  return rejected(
    'WrongTensors',
    difference || 'the tensors are right, but the header is not sorted by name, or has metadata',
  )
}

/** The tensors in the payload's own header, or why it cannot be read. `expected`: bytes of the run's header. */
async function readTensors(
  store: StoreReader,
  payload: PayloadRef,
  expected: number,
): Promise<readonly TensorSpec[] | string> {
  try {
    const length = 8 + headerLength(await readPayload(store, { payload }, [0, Math.min(8, payload.size)]))
    if (length > Math.max(2 * expected, SMALL_HEADER))
      return `the update's header has ${length} bytes, the run's header has ${expected}`
    return parseHeader(
      await readPayload(store, { payload }, [0, Math.min(length, payload.size)]),
      payload.size,
    ).tensors
  } catch (error) {
    if (error instanceof SafetensorsError) return `the update cannot be read: ${error.message}`
    throw error
  }
}

/** Checks every byte: the digest of each block, the digest of the whole, and finite values. It measures the norm on the way. */
async function checkBytes({ store, payload, bytes: all, base, layout }: Subject): Promise<Admission> {
  const slices = slicesOf(layout, SLICE_BYTES)
  const whole = all === undefined ? createHash('sha256').update(layout.header) : undefined
  let norm = base === null ? null : measureNorm()
  let notFinite = ''
  let at = 0
  for await (const bytes of prefetch(
    slices.map(
      ({ begin, end }) =>
        () =>
          readPayload(store, { payload, bytes: all }, [begin, end]),
    ),
    1,
  )) {
    const slice = slices[at++]!
    for (let done = 0; whole !== undefined && done < bytes.length; done += BLOCK_BYTES) {
      whole.update(bytes.subarray(done, done + BLOCK_BYTES))
      await nextTurn()
    }
    notFinite ||= findNotFinite(slice, bytes)
    if (norm !== null && !(await addToNorm(norm, { store, base: base!, slice, bytes }))) norm = null
  }
  const digest = whole?.digest('hex') ?? payload.blocks[0]
  if (digest !== payload.sha256)
    return rejected('WrongDigest', `SHA-256 is ${digest}, the receipt states ${payload.sha256}`)
  if (notFinite !== '') return rejected('NotFinite', notFinite)
  const length = norm?.result() ?? null
  return length === null || Number.isFinite(length)
    ? { kind: 'Admitted', norm: length }
    : rejected('NotFinite', 'its difference to the base model is too large for a 64-bit float')
}

/** False where the base cannot be read: that is not the client's fault, and the fold will report it. */
async function addToNorm(
  norm: NormMeasure,
  {
    store,
    base,
    slice,
    bytes,
  }: {
    readonly store: StoreReader
    readonly base: PayloadSource
    readonly slice: Slice
    readonly bytes: Uint8Array
  },
): Promise<boolean> {
  try {
    norm.add(slice, bytes, await readPayload(store, base, [slice.begin, slice.end]))
    return true
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged') return false
    throw error
  }
}

function findNotFinite(slice: Slice, bytes: Uint8Array): string {
  for (const { tensor, begin, end, first } of slice.pieces) {
    const at = firstNotFinite(tensor.dtype, bytes.subarray(begin - slice.begin, end - slice.begin))
    if (at >= 0)
      return `${tensor.name}[${first + at}] is not a finite number; if training diverged, lower the learning rate`
  }
  return ''
}
