// Folds the accepted updates into the new global model, slice by slice over the parameters. The result's bytes depend only on base,
// updates, strategy and state. They do not depend on the memory, on the order of the updates, or on whether their bytes were kept.
// Memory is bounded by `memoryBytes`, not by the model or the number of clients.

import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { TensorList } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { Measurements, Strategy } from '../strategies/strategy.ts'
import { READS_AHEAD, sliceBytes } from './budget.ts'
import { createFoldBuffers, type FoldBuffers } from './fold-buffers.ts'
import { measureGram } from './measure.ts'
import { type PayloadSource, readPayload } from './payload-reader.ts'
import { type PayloadWriter, writePayload } from './payload-writer.ts'
import { prefetch } from './prefetch.ts'
import { combinedElements, needsUpdates, openSlice, type SliceContext } from './slice-fold.ts'
import { type PayloadLayout, payloadLayout, type Slice, slicesOf } from './slices.ts'
import { readStateOpening, type StateLayout, stateLayout, stateOpening } from './state.ts'

/** An admitted update. `bytes` is its whole payload where it was kept. */
export interface FoldUpdate extends PayloadSource {
  readonly client: string
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
  /** The update counts as base + factor × (update - base): below 1 where its norm is clipped. Absent: 1. */
  readonly factor?: number
}

export interface FoldRequest {
  readonly store: ObjectStore
  /** The run's parameters: layout of base, updates and model. */
  readonly list: TensorList
  readonly base: PayloadRef
  readonly updates: readonly FoldUpdate[]
  readonly strategy: Strategy
  /** The server optimizer's state after the last round; null before the first, and where it has none. */
  readonly state: PayloadRef | null
  /** Model and state are written to rounds/<round>/<attempt>/. */
  readonly round: number
  readonly attempt: number
  /** Bytes that the fold may use. Kept updates are not counted. */
  readonly memoryBytes: number
  /** Buffers of the fold before. */
  readonly buffers?: FoldBuffers | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FoldResult {
  readonly model: PayloadRef
  readonly state: PayloadRef | null
  /** Clients whose update the strategy gave the weight 0, by name. */
  readonly rejected: readonly string[]
}

/** A request with what follows from it. */
interface Prepared extends FoldRequest {
  readonly buffers: FoldBuffers
  /** The base, with its bytes where the buffers have them. */
  readonly from: PayloadSource
  readonly layout: PayloadLayout
  readonly stateLayout: StateLayout | null
  readonly slices: readonly Slice[]
}

/**
 * Folds the updates into a new model and, where the server optimizer has one, a new state. It overwrites neither.
 * FedsamError: RecordDamaged for bytes without their digest, or for another object under a result's key; InvalidJob for too little
 * memory; RunFailed for fewer updates than the strategy's minimum, and for results that their dtype cannot hold.
 */
export async function fold(request: FoldRequest): Promise<FoldResult> {
  const prepared = prepare(request)
  const weights = prepared.strategy.weigh(prepared.updates, await measure(prepared))
  const kept = prepared.updates.filter((_, i) => weights[i]! !== 0)
  const scalars = await nextScalars(prepared)
  const context: SliceContext = {
    strategy: prepared.strategy,
    scalars,
    weights: weights.filter((weight) => weight !== 0),
    factors: Float64Array.from(kept, factorOf),
    columns: columnsFor(prepared, prepared.strategy.combine.kind === 'Columns' ? kept.length : 1),
    tile: prepared.buffers.tile,
  }
  const written = await writeAll(prepared, context, kept)
  return {
    ...written,
    rejected: prepared.updates.filter((_, i) => weights[i] === 0).map(({ client }) => client),
  }
}

const factorOf = ({ factor = 1 }: FoldUpdate): number => factor

function prepare(request: FoldRequest): Prepared {
  const { list, strategy, memoryBytes } = request
  const updates = [...request.updates].sort((a, b) => (a.client < b.client ? -1 : 1))
  if (updates.length < Math.max(1, strategy.minimum)) {
    throw new FedsamError(
      'RunFailed',
      `${strategy.name} needs at least ${strategy.minimum} updates; this round has ${updates.length}`,
      {
        reason: 'TooFewUpdates',
        remedy: 'raise minFitClients or round.quorum',
      },
    )
  }
  const layout = payloadLayout(list)
  for (const { key, size } of [request.base, ...updates.map(({ payload }) => payload)]) {
    if (size === layout.size) continue
    throw new FedsamError(
      'RecordDamaged',
      `${key} has ${size} bytes; the run's parameters have ${layout.size}`,
    )
  }
  const together = strategy.combine.kind === 'Columns' || strategy.measure !== 'None'
  const columns = together ? updates.length : 1
  const bytes = sliceBytes({ list, columns, vectors: strategy.serverOptimizer.vectors.length }, memoryBytes)
  const buffers = request.buffers ?? createFoldBuffers(memoryBytes)
  return {
    ...request,
    buffers,
    from: { payload: request.base, bytes: buffers.base(request.base) },
    updates,
    layout,
    stateLayout: stateLayout(list, strategy.serverOptimizer),
    slices: slicesOf(layout, bytes),
  }
}

/** Columns for the largest slice. Each slice uses them again. */
function columnsFor({ slices, buffers }: Prepared, count: number): Float64Array[] {
  const elements = slices.reduce((most, slice) => Math.max(most, combinedElements(slice)), 0)
  return buffers.columns(count, elements)
}

async function measure(prepared: Prepared): Promise<Measurements> {
  const { updates, from, strategy } = prepared
  if (strategy.measure === 'None') return { gram: new Float64Array(0) }
  const gram = measureGram(columnsFor(prepared, updates.length))
  const sources = [from, ...updates]
  const slices = prepared.slices.filter(({ pieces }) =>
    pieces.some(({ tensor }) => tensor.rule === 'Optimise'),
  )
  const reads = prefetch(
    readsOf(prepared, slices, () => sources),
    READS_AHEAD,
  )
  try {
    for (const slice of slices) {
      prepared.signal?.throwIfAborted()
      const open = gram.open(slice, await next(reads))
      for (const update of updates) open.add(await next(reads), factorOf(update))
      open.close()
    }
  } finally {
    await reads.return()
  }
  return { gram: gram.result() }
}

async function nextScalars({
  store,
  state,
  stateLayout,
  strategy,
}: Prepared): Promise<Readonly<Record<string, number>>> {
  const { scalars, nextScalars } = strategy.serverOptimizer
  if (stateLayout === null || state === null) return nextScalars(scalars)
  const range = [0, stateLayout.header.length + stateLayout.scalars.length * 8] as const
  const found =
    state.size === stateLayout.size
      ? readStateOpening(stateLayout, await readPayload(store, { payload: state }, range))
      : undefined
  if (found !== undefined) return nextScalars(found)
  throw new FedsamError('RecordDamaged', `${state.key} is not the state of a ${strategy.name} of this run`)
}

async function writeAll(
  prepared: Prepared,
  context: SliceContext,
  kept: readonly FoldUpdate[],
): Promise<Pick<FoldResult, 'model' | 'state'>> {
  const { store, layout, stateLayout, buffers } = prepared
  const keys = attemptKeys(prepared.round, prepared.attempt)
  const model = writePayload(store, keys.model, layout.size)
  const state = stateLayout && writePayload(store, keys.state, stateLayout.size)
  try {
    await model.push(layout.header)
    if (stateLayout !== null) await state!.push(stateOpening(stateLayout, context.scalars))
    const draft = buffers.draft(layout.size)
    draft?.set(layout.header)
    await foldSlices(prepared, context, kept, { model, state, draft })
    const written = { model: await model.finish(), state: state && (await state.finish()) }
    if (draft !== undefined) buffers.keep(written.model)
    return written
  } catch (error) {
    await Promise.all([model.abort(error), state?.abort(error)])
    throw error
  }
}

/** Where the fold writes. */
interface Target {
  readonly model: PayloadWriter
  readonly state: PayloadWriter | null
  /** Space for the whole model. Without it, each slice is computed in the memory of its base. */
  readonly draft: Uint8Array | undefined
}

async function foldSlices(
  prepared: Prepared,
  context: SliceContext,
  kept: readonly FoldUpdate[],
  { model, state, draft }: Target,
): Promise<void> {
  const sourcesFor = (slice: Slice): PayloadSource[] => [prepared.from, ...(needsUpdates(slice) ? kept : [])]
  const reads = prefetch(readsOf(prepared, prepared.slices, sourcesFor), READS_AHEAD)
  try {
    for (const slice of prepared.slices) {
      prepared.signal?.throwIfAborted()
      const base = await next(reads)
      const made = draft?.subarray(slice.begin, slice.end) ?? base
      const open = openSlice(context, slice, { base, model: made, state: await oldState(prepared, slice) })
      for (let left = sourcesFor(slice).length - 1; left > 0; left--) open.add(await next(reads))
      const newState = open.finish()
      await Promise.all([model.push(made), newState.length > 0 && state?.push(newState)])
    }
  } finally {
    await reads.return()
  }
}

function oldState({ store, state, stateLayout }: Prepared, slice: Slice): Promise<Uint8Array> | undefined {
  if (state === null || stateLayout === null) return undefined
  return readPayload(store, { payload: state }, stateLayout.rangeOf(slice))
}

/** One read for each slice and source, in the order of use. */
function* readsOf(
  { store }: Prepared,
  slices: readonly Slice[],
  sourcesFor: (slice: Slice) => readonly PayloadSource[],
): Generator<() => Promise<Uint8Array>> {
  for (const slice of slices) {
    for (const source of sourcesFor(slice)) yield () => readPayload(store, source, [slice.begin, slice.end])
  }
}

async function next(reads: AsyncGenerator<Uint8Array, void>): Promise<Uint8Array> {
  const { value } = await reads.next()
  if (value === undefined) throw new RangeError('the fold used a slice more often than it was read')
  return value
}
