// Admits the updates of one attempt. It runs the checks of aggregation/update-checks.ts against the run's tensor list, and
// decides which small updates stay in memory so that the fold need not read them again.
import type { PayloadRef, Plan } from '#protocol/record.ts'
import type { TensorList } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { type PayloadSource, readPayload } from '../aggregation/payload-reader.ts'
import { tensorList } from '../aggregation/tensor-rules.ts'
import { type Admission, admit } from '../aggregation/update-checks.ts'
import { locate, storedFile } from '../record/tensor-files.ts'
import type { AttemptsContext } from './context.ts'
import type { Admit } from './receipts.ts'

/** The share of coordinator.memoryBytes up to which the base is read once for all updates, and kept for the attempt. */
const BASE_SHARE = 1 / 16
/** The share of coordinator.memoryBytes that admitted updates may fill. The fold needs far less than the rest (budget.ts). */
const KEPT_SHARE = 0.25

type AdmissionContext = Pick<AttemptsContext, 'markers' | 'fixed' | 'updateBuffers' | 'foldBuffers'>

/** The admission of one attempt. `list` is null in round 0: the run has no tensor list yet, so the payload's own header counts. */
export function admitTo(
  { markers, fixed, updateBuffers, foldBuffers }: AdmissionContext,
  plan: Plan,
  list: TensorList | null,
): Admit {
  const { store } = markers
  const baseOf = createBase({ store, foldBuffers, most: fixed.memoryBytes * BASE_SHARE }, plan)
  let left = fixed.memoryBytes * KEPT_SHARE
  return async (receipt, payload): Promise<Admission> => {
    const fits = payload.size <= left
    if (fits) left -= payload.size
    const bytes = fits ? await readWhole(store, payload, updateBuffers.take(payload.size)) : undefined
    const from = bytes === undefined ? store : withInMemory(store, payload.key, bytes)
    const expected = list ?? (await listOf(from, payload))
    const admission: Admission =
      expected === undefined
        ? { kind: 'Rejected', reason: 'WrongTensors', message: 'the payload is not a safetensors file' }
        : await admit(from, { receipt, payload, base: await baseOf(), list: expected })
    if (admission.kind === 'Admitted' && bytes !== undefined) return { ...admission, bytes }
    if (fits) left += payload.size
    return admission
  }
}

/** The plan's base: with its bytes where the last fold left them, or where it is small. It is read at the first admission. */
function createBase(
  { store, foldBuffers, most }: Pick<AdmissionContext, 'foldBuffers'> & { store: ObjectStore; most: number },
  { base }: Plan,
): () => Promise<PayloadSource | null> {
  let whole: Promise<Uint8Array | undefined> | undefined
  return async () => {
    if (base === null) return null
    const { payload } = base
    const kept = foldBuffers.base(payload)
    if (kept !== undefined || payload.size > most) return { payload, bytes: kept }
    // A base that cannot be read now is tried again beside each update.
    whole ??= readPayload(store, { payload }, [0, payload.size]).catch(() => undefined)
    return { payload, bytes: await whole }
  }
}

/** Reads the payload in one request; undefined where the object does not have the size that its receipt names. */
async function readWhole(
  store: ObjectStore,
  { key, size }: PayloadRef,
  into: Uint8Array,
): Promise<Uint8Array | undefined> {
  const [stored, bytes] = await Promise.all([
    store.size(key),
    store.get(key, { offset: 0, length: size }, into).catch((error: unknown) => {
      if (error instanceof RangeError) return undefined
      throw error
    }),
  ])
  return stored === size ? bytes : undefined
}

/** The store with this one object in memory, so that the checks read no byte twice. */
function withInMemory(store: ObjectStore, key: string, bytes: Uint8Array): ObjectStore {
  return {
    ...store,
    size: async (wanted) => (wanted === key ? bytes.length : store.size(wanted)),
    get: async (wanted, range) => {
      if (wanted !== key || range === undefined) return store.get(wanted, range)
      if (range.offset + range.length > bytes.length) throw new RangeError(`${key} has ${bytes.length} bytes`)
      return bytes.subarray(range.offset, range.offset + range.length)
    },
  }
}

async function listOf(store: ObjectStore, payload: PayloadRef): Promise<TensorList | undefined> {
  const size = await store.size(payload.key)
  if (size === undefined) return undefined
  return locate([storedFile(store, payload.key, size)]).then(tensorList, () => undefined)
}
