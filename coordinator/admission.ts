// Admission as the coordinator runs it: the checks of aggregation/admission.ts, with the run's tensor list, and the choice of
// which small updates stay in memory so that they are read once.
import { attemptKeys } from '#protocol/keys.ts'
import type { PayloadRef, Plan, Receipt } from '#protocol/record.ts'
import type { TensorList } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { type Admission, admit } from './aggregation/admission.ts'
import type { Admit } from './attempt.ts'
import type { RunContext } from './context.ts'
import { locate, storedFile, tensorList } from './tensor-files.ts'

export type { Admission } from './aggregation/admission.ts'

/** The share of coordinator.memoryBytes that admitted updates may fill; the fold has the rest. */
const KEPT_SHARE = 0.25

/** The admission of one attempt. `list` is null while the run has no tensor list yet: then the payload's own is held to. */
export function admitTo(context: RunContext, plan: Plan, list: TensorList | null): Admit {
  const { store } = context.book
  const base = plan.base?.payload.sha256 ?? null
  let left = context.fixed.memoryBytes * KEPT_SHARE
  return async (receipt, payload): Promise<Admission> => {
    const expected = list ?? (await listOf(store, payload))
    if (expected === undefined) return { kind: 'Rejected', reason: 'WrongTensors', message: 'the payload is not a safetensors file' }
    const keepBytes = payload.size <= left
    if (keepBytes) left -= payload.size
    const admission = await admit(store, { receipt, payload, base, list: expected, keepBytes })
    if (keepBytes && admission.kind === 'Rejected') left += payload.size
    return admission
  }
}

async function listOf(store: ObjectStore, payload: PayloadRef): Promise<TensorList | undefined> {
  const size = await store.size(payload.key)
  if (size === undefined) return undefined
  return locate([storedFile(store, payload.key, size)]).then(tensorList, () => undefined)
}

/** The payload's place, from its receipt. */
export function payloadOf(receipt: Receipt): PayloadRef | null {
  const { update, client, round, attempt } = receipt
  if (update === null) return null
  const { size, sha256, blocks, upload } = update
  return { key: attemptKeys(round, attempt).payload(client, upload), size, sha256, blocks }
}
