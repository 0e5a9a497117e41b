// Round 0: the initial parameters, from the base checkpoint, from a file, or from one client; and with them the tensor list
// that the run is fixed to.
import { stat } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, baseKey } from '#protocol/keys.ts'
import type { PayloadRef, RoundResult } from '#protocol/record.ts'
import { payloadOf } from './admission.ts'
import type { RunContext } from './context.ts'
import { type Marked, readRecord } from './record.ts'
import { type ClosedAttempt, closeRound } from './round.ts'
import { copyTensors, type Located, localFile, locate, storedFile, tensorList } from './tensor-files.ts'

/** Leaves rounds/0: the initial model and its result. */
export async function initialise(context: RunContext): Promise<Marked<RoundResult>> {
  const { origin } = context.fixed
  if (origin.kind === 'Client') return initialiseFromClient(context)
  const tensors = origin.kind === 'Checkpoint' ? await fromBase(context, origin.select) : await fromFile(origin.file)
  const model = await copyTensors(context.book.store, attemptKeys(0, 1).model, tensors)
  return leaveInitial(context, { model, tensors, origin: { kind: origin.kind, client: null } })
}

async function fromBase(context: RunContext, select: (names: readonly string[]) => string[]): Promise<Located[]> {
  const { store, run } = context.book
  const { base } = run.value
  if (base === null) throw new FedsamError('BadCheckpoint', 'the run has no base checkpoint to start from')
  const files = base.files
    .filter(({ name }) => name.endsWith('.safetensors'))
    .map(({ name, size }) => storedFile(store, baseKey(base.digest, name), size))
  const all = await locate(files)
  const names = new Set(select(all.map(({ name }) => name)))
  const chosen = all.filter(({ name }) => names.has(name))
  if (chosen.length > 0) return chosen
  throw new FedsamError('BadCheckpoint', `${base.uri}: none of its ${all.length} tensors is one that trains`, {
    remedy: "is it a SAM checkpoint under Hugging Face's tensor names?",
  })
}

async function fromFile(path: string): Promise<Located[]> {
  try {
    return await locate([localFile(path, (await stat(path)).size)])
  } catch (cause) {
    throw new FedsamError('BadCheckpoint', `spec.model.initialParameters: ${path} is not a readable safetensors file`, {
      cause,
      remedy: 'name a .safetensors file',
    })
  }
}

/** One client's own get_parameters(), as Flower's server asks for them. */
async function initialiseFromClient(context: RunContext): Promise<Marked<RoundResult>> {
  const { store } = context.book
  const closed = await closeRound(context, { round: 0, kind: 'Initialise', previous: null, history: [] })
  const update = closed.decision.value.updates[0]!
  const receipt = await readRecord(store, 'receipt', attemptKeys(0, update.attempt).receipt(update.client))
  const payload = receipt === undefined ? null : payloadOf(receipt.value)
  if (payload === null) throw new FedsamError('RecordDamaged', `the receipt of ${update.client} at round 0 is gone`)
  const tensors = await locate([storedFile(store, payload.key, payload.size)])
  const model = await copyTensors(store, attemptKeys(0, closed.plan.value.attempt).model, tensors)
  return leaveInitial(context, { model, tensors, origin: { kind: 'Client', client: update.client }, closed })
}

interface Initial {
  readonly model: PayloadRef
  readonly tensors: readonly Located[]
  readonly origin: NonNullable<RoundResult['origin']>
  readonly closed?: ClosedAttempt
}

function leaveInitial(context: RunContext, initial: Initial): Promise<Marked<RoundResult>> {
  const { closed, model, tensors, origin } = initial
  return context.book.leaveResult({
    schema: 'fedsam.result/1',
    round: 0,
    attempt: closed?.plan.value.attempt ?? 1,
    run: context.book.run.digest,
    plan: closed?.plan.digest ?? null,
    decision: closed?.decision.digest ?? null,
    previous: null,
    model,
    state: null,
    tensors: tensorList(tensors).map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    origin,
    metrics: {},
    timings: {},
  })
}
