// Reads the record that a run resumes from (spec.resumeFrom): a finished round of another run. It verifies the chain up to that
// round, and compares the round with the job before the new run writes anything. It copies the model, so that the new record no
// longer needs the other one. It never writes to the other record. The caller opens that record.
import { FedsamError } from '#protocol/errors.ts'
import { narrowTensors } from '#protocol/initial-dtypes.ts'
import { attemptKeys, MANIFEST_KEY, RUN_KEY, resultKey } from '#protocol/keys.ts'
import { firstRound, type PayloadRef, type RoundResult, type RunRecord } from '#protocol/record.ts'
import type { TensorSpec } from '#protocol/tensors.ts'
import { listed } from '#protocol/text.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import { readPayload } from '../aggregation/payload-reader.ts'
import { payloadLayout } from '../aggregation/slices.ts'
import { stateLayout } from '../aggregation/state.ts'
import { tensorDifference } from '../aggregation/tensor-difference.ts'
import { type Marked, readRecord } from '../record/markers.ts'
import { copyPayload } from '../record/verified-copy.ts'
import { verifyUpTo } from '../record/verify.ts'
import { newestNorms } from '../rounds/clipping.ts'
import type { Strategy } from '../strategies/strategy.ts'

/** A finished round of another run, verified. */
export interface SourceRound {
  readonly run: Marked<RunRecord>
  readonly result: Marked<RoundResult>
  /** The result of its run's first round, which names the dtypes in which the parameters arrived. */
  readonly first: RoundResult
  /** The norms of the updates of its newest training rounds, by round. */
  readonly norms: readonly (readonly number[])[]
}

/** The server optimizer's state: copied, begun at 0, or absent because the strategy has none. */
export type CarriedState = 'Carried' | 'Fresh' | 'None'

const FIELD = 'spec.resumeFrom'
/** What to do about a record with other bytes than its markers name. */
const RESTORE = 'restore that record from a copy, or name another one'
/** Rounds that one message names. */
const NAMED = 10

/**
 * Reads and verifies the round. Throws RecordUnavailable where it may exist later (no record, a store out of reach, a round that
 * is not finished yet), BadRecord where it can never be used (damage, a model that retention deleted, a run that ended before the
 * round).
 */
export async function readSourceRound(reader: StoreReader, round: number): Promise<SourceRound> {
  return aboutSource(verifiedRound(namingField(reader), round))
}

async function verifiedRound(reader: StoreReader, round: number): Promise<SourceRound> {
  if ((await reader.size(RUN_KEY)) === undefined) {
    throw new FedsamError('RecordUnavailable', `${FIELD}.prefix: ${reader.description} holds no run`, {
      remedy: `name the folder, or the s3://bucket/prefix, that holds the other run's ${RUN_KEY}`,
    })
  }
  const { chain, problems } = await verifyUpTo(reader, round)
  if (problems.length > 0) {
    const more = problems.length > 1 ? `, and ${problems.length - 1} more` : ''
    throw bad(`${reader.description} is damaged: ${problems[0]}${more}`, {
      remedy:
        'list all damage with fedsam verify; restore the record from a copy, or start from a round before the damage',
    })
  }
  const { run, links } = chain
  if (run !== undefined) await refuseGap(reader, firstRound(run.value) + links.length, round)
  const link = links.at(-1)
  if (run === undefined || link?.result.value.round !== round || link.plan?.kind === 'Evaluate')
    throw await lacksRound(reader, round)
  await checkPayloads(reader, link.result.value)
  const rounds = links.map(({ result, decision }) => ({ origin: result.value.origin, decision }))
  return { run, result: link.result, first: links[0]!.result.value, norms: newestNorms(rounds) }
}

/** A run writes its results in order: a round has a result only if every round before it has one. */
async function refuseGap(reader: StoreReader, missing: number, round: number): Promise<void> {
  if (missing >= round || (await reader.size(resultKey(round))) === undefined) return
  // The run may have written both since.
  if ((await reader.size(resultKey(missing))) !== undefined) return
  throw bad(`${reader.description} is damaged: ${resultKey(missing)} is missing`, { remedy: RESTORE })
}

const payloadsOf = ({ model, state }: RoundResult): PayloadRef[] => [
  model,
  ...(state === null ? [] : [state]),
]

/** Without a read of the parameters: model and state exist in their sizes, and the model begins as its tensors demand. */
async function checkPayloads(reader: StoreReader, result: RoundResult): Promise<void> {
  const { round, model, tensors } = result
  const { description } = reader
  for (const { key, size } of payloadsOf(result)) {
    const stored = await reader.size(key)
    if (stored === undefined) throw await retired(reader, round)
    if (stored !== size)
      throw bad(`${description} is damaged: ${key} has ${stored} bytes; its marker names ${size}`, {
        remedy: RESTORE,
      })
  }
  const { header, size } = payloadLayout(tensors)
  const begin =
    model.size === size ? await readFromSource(reader, { payload: model, round }, [0, header.length]) : null
  if (begin !== null && Buffer.compare(begin, header) === 0) return
  throw bad(`${description} is damaged: ${model.key} is not a model of the tensors that its result names`, {
    remedy: RESTORE,
  })
}

/** Turns damage of the other record into an error of the field that names it. */
async function aboutSource<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    throw bad(error.message, { remedy: RESTORE, cause: error })
  }
}

/** The reader, which names the field where it is out of reach. Errors of the run's own store keep their code. */
function namingField(reader: StoreReader): StoreReader {
  const reached = <T>(reading: Promise<T>): Promise<T> =>
    reading.catch((error: unknown) => {
      if (!(error instanceof FedsamError) || error.code !== 'StorageUnreachable') throw error
      const { message, remedy, cause } = error
      throw new FedsamError('RecordUnavailable', `${FIELD}.prefix: ${message}`, { remedy, cause })
    })
  return {
    ...reader,
    get: (...args) => reached(reader.get(...args)),
    size: (key) => reached(reader.size(key)),
  }
}

function bad(message: string, options: { remedy: string; cause?: unknown }): FedsamError {
  return new FedsamError('BadRecord', `${FIELD}: ${message}`, options)
}

/** A training round of the other record, and whether the store still has its model and state. */
interface HeldRound {
  readonly round: number
  readonly isHeld: boolean
}

async function heldRounds(reader: StoreReader): Promise<HeldRound[]> {
  const run = await readRecord(reader, 'run', RUN_KEY)
  const held: HeldRound[] = []
  for (let round = run === undefined ? 0 : firstRound(run.value); ; round += 1) {
    const result = (await readRecord(reader, 'result', resultKey(round)))?.value
    if (result === undefined) return held
    const plan =
      result.plan === null
        ? undefined
        : await readRecord(reader, 'plan', attemptKeys(round, result.attempt).plan)
    if (plan?.value.kind === 'Evaluate') continue
    const sizes = await Promise.all(payloadsOf(result).map(({ key }) => reader.size(key)))
    held.push({ round, isHeld: !sizes.includes(undefined) })
  }
}

async function lacksRound(reader: StoreReader, round: number): Promise<FedsamError> {
  const held = await heldRounds(reader)
  const [first, last] = [held[0]?.round, held.at(-1)?.round]
  const { description } = reader
  if (first === undefined || last === undefined) {
    return new FedsamError('RecordUnavailable', `${FIELD}.round: ${description} has no finished round yet`, {
      remedy: 'wait until that run has finished the round',
    })
  }
  const remedy = first === last ? `name round ${first}` : `name a round from ${first} to ${last}`
  if (round < first)
    return bad(`${description} begins with round ${first}, so it has no round ${round}`, { remedy })
  if ((await reader.size(MANIFEST_KEY)) !== undefined)
    return bad(`${description} ended with round ${last}, so it has no round ${round}`, { remedy })
  return new FedsamError(
    'RecordUnavailable',
    `${FIELD}.round: ${description} has not finished round ${round}; its newest finished round is ${last}`,
    { remedy: `wait until that run has finished it, or ${remedy}` },
  )
}

async function retired(reader: StoreReader, round: number): Promise<FedsamError> {
  const rounds = (await heldRounds(reader)).filter(({ isHeld }) => isHeld).map((held) => String(held.round))
  const remedy =
    rounds.length === 0
      ? 'restore that model from a copy, or name another record'
      : `name a round whose model still exists: ${listed(rounds.reverse(), NAMED)}; output.retention.rounds of a run sets how many it keeps`
  return bad(`${reader.description} no longer holds the model of round ${round}`, { remedy })
}

/** What the job's trainer trains: the base checkpoint by its digest, and the tensors (null where only a client knows them). */
export interface Trained {
  readonly base: RunRecord['base']
  readonly tensors: readonly TensorSpec[] | null
}

/** Throws BadRecord unless a job that trains this can continue from the round. */
export function compareWithJob({ run, result }: SourceRound, { base, tensors }: Trained): void {
  const theirs = run.value.base
  if (base !== null && theirs !== null && base.digest !== theirs.digest) {
    throw bad(
      `run ${run.value.name} trained another checkpoint, ${theirs.uri}; the files of ${base.uri} differ`,
      {
        remedy:
          'name that checkpoint at the same revision; to use the parameters with another checkpoint, name them as model.initialParameters',
      },
    )
  }
  const difference = tensors === null ? '' : tensorDifference(tensors, result.value.tensors)
  if (difference === '') return
  throw bad(`run ${run.value.name} has other tensors than the trainer trains: ${difference}`, {
    remedy: 'use the trainer of that run, with the parts that it trained',
  })
}

/** The entry of run.json that names the round. */
export function pinned(prefix: string, { run, result }: SourceRound): NonNullable<RunRecord['resumedFrom']> {
  return {
    prefix,
    round: result.value.round,
    name: run.value.name,
    run: run.digest,
    result: result.digest,
  }
}

/** The model and state of the round as payloads of the new record. */
export interface CopiedRound extends Pick<RoundResult, 'model' | 'state' | 'tensors'> {
  /** As the origin of the new run's first result has it. */
  readonly narrow: ReturnType<typeof narrowTensors>
  readonly norms: SourceRound['norms']
  readonly carried: CarriedState
}

/** Copies the round that run.json names. Throws BadRecord where another record has taken its place. */
export async function copySourceRound(
  reader: StoreReader,
  store: ObjectStore,
  resumedFrom: NonNullable<RunRecord['resumedFrom']>,
  strategy: Strategy,
): Promise<CopiedRound> {
  const source = await readSourceRound(reader, resumedFrom.round)
  if (source.result.digest !== resumedFrom.result) {
    throw bad(`${reader.description} has changed since this run began: it is another record now`, {
      remedy: 'restore that record, or run the job with another output',
    })
  }
  const { round, model, tensors } = source.result.value
  const keys = attemptKeys(round, 1)
  const from = namingField(reader)
  // Damage of a copy in the own store keeps its code: nothing is wrong with the other record then.
  const copy = (payload: PayloadRef, key: string): Promise<PayloadRef> =>
    copyPayload(store, { payload }, key, (range) => readFromSource(from, { payload, round }, range))
  const state = await stateToCarry(from, source, strategy)
  return {
    model: await copy(model, keys.model),
    state: state && (await copy(state, keys.state)),
    tensors,
    narrow: narrowTensors(source.first),
    norms: source.norms,
    carried: outcomeOf(state, tensors, strategy),
  }
}

/** A verified range of a payload of the other record, whose run may delete the payload at any time. */
async function readFromSource(
  from: StoreReader,
  { payload, round }: { readonly payload: PayloadRef; readonly round: number },
  range: readonly [number, number],
): Promise<Uint8Array> {
  try {
    return await aboutSource(readPayload(from, { payload }, range))
  } catch (error) {
    const isBad = error instanceof FedsamError && error.code === 'BadRecord'
    if (isBad && (await from.size(payload.key)) === undefined) throw await retired(from, round)
    throw error
  }
}

/** Whether the server optimizer's state will be copied. */
export async function carriedState(
  reader: StoreReader,
  source: SourceRound,
  strategy: Strategy,
): Promise<CarriedState> {
  const state = await stateToCarry(namingField(reader), source, strategy)
  return outcomeOf(state, source.result.value.tensors, strategy)
}

function outcomeOf(
  state: PayloadRef | null,
  tensors: RoundResult['tensors'],
  { serverOptimizer }: Strategy,
): CarriedState {
  if (state !== null) return 'Carried'
  return stateLayout(tensors, serverOptimizer) === null ? 'None' : 'Fresh'
}

/** The state that the strategy can continue from: one that the same strategy wrote, with the same vectors and scalars. */
async function stateToCarry(
  reader: StoreReader,
  { run, result }: SourceRound,
  { name, serverOptimizer }: Strategy,
): Promise<PayloadRef | null> {
  const { state, tensors, round } = result.value
  const { type } = (run.value.spec.strategy ?? {}) as { readonly type?: unknown }
  const layout = stateLayout(tensors, serverOptimizer)
  if (state === null || layout === null || type !== name || state.size !== layout.size) return null
  const header = await readFromSource(reader, { payload: state, round }, [0, layout.header.length])
  return Buffer.compare(header, layout.header) === 0 ? state : null
}
