// Starts a run from another run's round (spec.resumeFrom). It pins that round in run.json, and writes the first result: a copy of
// the round's model and, where the strategy is the same, of the server optimizer's state. After that the run needs only its own
// record.
import { FedsamError } from '#protocol/errors.ts'
import { keptTensors } from '#protocol/half.ts'
import type { RoundResult, RunRecord } from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import type { AttemptsContext } from '../attempts/context.ts'
import type { Marked } from '../record/markers.ts'
import type { FixedSettings, Origin } from '../settings/settings.ts'
import { trainedTensors } from './initial-file.ts'
import {
  type CarriedState,
  compareWithJob,
  copySourceRound,
  pinned,
  readSourceRound,
} from './source-round.ts'

type Resumed = Extract<Origin, { kind: 'Resumed' }>

/**
 * The round that the run starts from, verified and compared with the job; null where the run starts with round 0. Throws
 * RecordUnavailable, BadRecord, InvalidJob.
 */
export async function pinSource(
  store: ObjectStore,
  { origin, base: checkpoint }: FixedSettings,
  base: RunRecord['base'],
): Promise<NonNullable<RunRecord['resumedFrom']> | null> {
  if (origin.kind !== 'Resumed') return null
  return withSource(origin, async (reader) => {
    if (reader.description === store.description) {
      throw new FedsamError(
        'InvalidJob',
        `spec.resumeFrom.prefix: ${reader.description} is the record of this run`,
        {
          remedy: "name another run's record",
        },
      )
    }
    const source = await readSourceRound(reader, origin.round)
    const tensors =
      checkpoint === null || origin.select === null
        ? null
        : keptTensors(await trainedTensors(checkpoint.folder, origin.select))
    compareWithJob(source, { base, tensors })
    return pinned(origin.prefix, source)
  })
}

/** Opens the record, uses it, and closes it. */
async function withSource<T>({ open }: Resumed, use: (reader: StoreReader) => Promise<T>): Promise<T> {
  const reader = await open()
  try {
    return await use(reader)
  } finally {
    await reader.close()
  }
}

/** Writes the run's first result. */
export async function startFromSource(
  { markers, strategy }: Pick<AttemptsContext, 'markers' | 'strategy'>,
  origin: Resumed,
): Promise<{ readonly result: Marked<RoundResult>; readonly carried: CarriedState }> {
  const { resumedFrom } = markers.run.value
  if (resumedFrom === undefined) throw new Error('run.json names no record to start from')
  const { model, state, tensors, narrow, norms, carried } = await withSource(origin, (reader) =>
    copySourceRound(reader, markers.store, resumedFrom, strategy),
  )
  const result = await markers.writeResult({
    schema: 'fedsam.result/1',
    round: resumedFrom.round,
    attempt: 1,
    run: markers.run.digest,
    plan: null,
    decision: null,
    previous: resumedFrom.result,
    model,
    state,
    tensors,
    origin: {
      kind: 'Resumed',
      client: null,
      ...(narrow.size === 0 ? {} : { narrow: Object.fromEntries(narrow) }),
      ...(norms.flat().length === 0 ? {} : { norms: norms.map((round) => [...round]) }),
    },
    metrics: {},
    timings: {},
  })
  return { result, carried }
}
