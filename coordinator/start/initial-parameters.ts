// The first result: stores the initial parameters, from the base checkpoint, from a file, from one client, or from a round of
// another run. They fix the run's tensor list. The run keeps 16-bit floats as F32 from here on, and the result names those
// tensors.
import { FedsamError } from '#protocol/errors.ts'
import { keptTensors } from '#protocol/half.ts'
import { attemptKeys, baseKey } from '#protocol/keys.ts'
import type { ClosedDecision, PayloadRef, RoundResult } from '#protocol/record.ts'
import { tensorList } from '../aggregation/tensor-rules.ts'
import type { AttemptsContext } from '../attempts/context.ts'
import { type ClosedAttempt, concludeRound } from '../attempts/round.ts'
import { updatesOf } from '../attempts/updates.ts'
import type { Marked } from '../record/markers.ts'
import { copyTensors, type Located, locate, storedFile, verifiedFile } from '../record/tensor-files.ts'
import { copyPayload } from '../record/verified-copy.ts'
import type { Origin } from '../settings/settings.ts'
import { compareInitial, readInitialFile, type Select, selected } from './initial-file.ts'
import { startFromSource } from './resume-from.ts'
import type { CarriedState } from './source-round.ts'

/** The first result as the record has it. It has a decision only where a client sent the parameters. */
export interface Initialised {
  readonly result: Marked<RoundResult>
  readonly decision: ClosedDecision | null
  /** Of a run that starts from another run's round. */
  readonly carried?: CarriedState
}

/** Writes the initial model and its result, in round 0 or in the round of another run that this one starts from. */
export async function initialise(context: AttemptsContext): Promise<Initialised> {
  const { origin } = context.fixed
  if (origin.kind === 'Client') return initialiseFromClient(context)
  if (origin.kind === 'Resumed') return { ...(await startFromSource(context, origin)), decision: null }
  const tensors = keptTensors(
    origin.kind === 'Checkpoint' ? await fromBase(context, origin.select) : await fromFile(context, origin),
  )
  const model = await copyTensors(context.markers.store, attemptKeys(0, 1).model, tensors)
  const result = await writeInitial(context, { model, tensors, origin: { kind: origin.kind, client: null } })
  return { result, decision: null }
}

async function fromBase({ markers }: Pick<AttemptsContext, 'markers'>, select: Select): Promise<Located[]> {
  const { store, run } = markers
  const { base } = run.value
  if (base === null) throw new FedsamError('BadCheckpoint', 'the run has no base checkpoint to start from')
  const files = base.files
    .filter(({ name }) => name.endsWith('.safetensors'))
    .map(({ name, size }) => storedFile(store, baseKey(base.digest, name), size))
  const all = await locate(files)
  const chosen = selected(all, select)
  if (chosen.length > 0) return chosen
  throw new FedsamError(
    'BadCheckpoint',
    `${base.uri}: none of its ${all.length} tensors is a tensor that trains`,
    { remedy: "name a SAM checkpoint with Hugging Face's tensor names" },
  )
}

/** The tensors of the user's file. Throws BadCheckpoint where a built-in trainer's checkpoint has other tensors that train. */
async function fromFile(
  context: Pick<AttemptsContext, 'markers'>,
  { file, select }: Extract<Origin, { kind: 'InitialParameters' }>,
): Promise<Located[]> {
  const found = await readInitialFile(file)
  if (select && context.markers.run.value.base !== null)
    compareInitial(file, found, await fromBase(context, select))
  return found
}

/** One client's own get_parameters(), as Flower's server asks for them. */
async function initialiseFromClient(context: AttemptsContext): Promise<Initialised> {
  const { store } = context.markers
  const assignment = {
    round: 0,
    kind: 'Initialise',
    previous: null,
    history: [],
    norms: [],
    states: [],
    dtypes: null,
    lost: [],
  } as const
  return concludeRound(context, assignment, async (closed) => {
    const [update] = await updatesOf(store, closed, closed.admitted ?? [])
    const { attempt } = closed.plan.value
    if (update === undefined) {
      const { decision } = attemptKeys(0, attempt)
      throw new FedsamError('RecordDamaged', `${decision} closed round 0 without an update`)
    }
    const tensors = keptTensors(await locate([verifiedFile(store, update)]))
    const { model: key } = attemptKeys(0, attempt)
    const isKept = tensors.every(({ narrow }) => narrow === undefined)
    // An update is in canonical form already, so the model has its bytes, unless the run keeps wider floats.
    const model = isKept ? await copyPayload(store, update, key) : await copyTensors(store, key, tensors)
    return writeInitial(context, {
      model,
      tensors,
      origin: { kind: 'Client', client: update.client },
      closed,
    })
  })
}

interface Initial {
  readonly model: PayloadRef
  readonly tensors: readonly Located[]
  readonly origin: Omit<NonNullable<RoundResult['origin']>, 'narrow'>
  readonly closed?: ClosedAttempt
}

function writeInitial(
  { markers }: Pick<AttemptsContext, 'markers'>,
  { closed, model, tensors, origin }: Initial,
): Promise<Marked<RoundResult>> {
  return markers.writeResult({
    schema: 'fedsam.result/1',
    round: 0,
    attempt: closed?.plan.value.attempt ?? 1,
    run: markers.run.digest,
    plan: closed?.plan.digest ?? null,
    decision: closed?.decision.digest ?? null,
    previous: null,
    model,
    state: null,
    tensors: tensorList(tensors).map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    origin: { ...origin, ...narrowOf(tensors) },
    metrics: {},
    timings: {},
  })
}

/** The dtypes in which tensors arrived, by name, where the run keeps wider ones. Empty where the run keeps all dtypes. */
function narrowOf(tensors: readonly Located[]): Pick<NonNullable<RoundResult['origin']>, 'narrow'> {
  const narrow = Object.fromEntries(
    tensors.flatMap(({ name, narrow: dtype }) =>
      dtype === 'F16' || dtype === 'BF16' ? [[name, dtype]] : [],
    ),
  )
  return Object.keys(narrow).length === 0 ? {} : { narrow }
}
