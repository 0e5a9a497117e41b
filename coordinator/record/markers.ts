// The run's markers in the store: claimed, left and read here alone. Every write is absent-only; "already there" is read,
// never guessed, and then the store's bytes win. A marker of a newer coordinator ends this one (Superseded).
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, epochKey, RUN_KEY, resultKey } from '#protocol/keys.ts'
import {
  type Decision,
  type Plan,
  type Records,
  type RoundResult,
  type RunRecord,
  readMarker,
} from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'

/** A marker as it lies in the store. */
export interface Marked<T> {
  readonly value: T
  /** SHA-256 of its bytes. */
  readonly digest: string
}

/** The record of one run, as one coordinator's epoch sees it. */
export interface RunMarkers {
  readonly store: ObjectStore
  readonly epoch: number
  readonly run: Marked<RunRecord>
  plan(round: number, attempt: number): Promise<Marked<Plan> | undefined>
  decision(round: number, attempt: number): Promise<Marked<Decision> | undefined>
  result(round: number): Promise<Marked<RoundResult> | undefined>
  writePlan(plan: Omit<Plan, 'epoch'>): Promise<Marked<Plan>>
  writeDecision(decision: Unsigned<Decision>): Promise<Marked<Decision>>
  writeResult(result: Omit<RoundResult, 'epoch'>): Promise<Marked<RoundResult>>
  /** Throws Superseded when a newer coordinator has claimed its epoch. */
  assertCurrent(): Promise<void>
}

type Unsigned<T> = T extends unknown ? Omit<T, 'epoch'> : never

/** Reads one marker; undefined where there is none. */
export async function readRecord<K extends keyof Records>(
  store: Pick<StoreReader, 'get'>,
  kind: K,
  key: string,
): Promise<Marked<Records[K]> | undefined> {
  const bytes = await store.get(key)
  return bytes === undefined ? undefined : { value: readMarker(kind, key, bytes), digest: sha256(bytes) }
}

/** Claims the next epoch: the first number whose key was absent. Claims are never skipped, so counting up finds it. */
export async function claimEpoch(store: ObjectStore, incarnation: string): Promise<number> {
  for (let epoch = 1; ; epoch += 1) {
    if ((await store.size(epochKey(epoch))) !== undefined) continue
    const claim = encodeJson({ schema: 'fedsam.coordinator/1', epoch, incarnation })
    if ((await store.put(epochKey(epoch), claim)) === 'Created') return epoch
    const there = await readRecord(store, 'epoch', epochKey(epoch))
    if (there?.value.incarnation === incarnation) return epoch
  }
}

/** Leaves run.json, or reads the one that is there: it must be the same run. */
export async function openRun(store: ObjectStore, wanted: RunRecord): Promise<Marked<RunRecord>> {
  const bytes = encodeJson(wanted)
  await store.put(RUN_KEY, bytes)
  const there = await readRecord(store, 'run', RUN_KEY)
  if (there === undefined)
    throw new FedsamError(
      'StorageUnsuitable',
      `${store.description}: ${RUN_KEY} vanished after it was written`,
    )
  if (there.digest === sha256(bytes)) return there
  throw new FedsamError(
    'OutputInUse',
    `${store.description} holds the record of another job, or of this job before it was changed`,
    {
      remedy: 'choose another output, or run the job file that it was started with',
    },
  )
}

/** The record for one epoch of the coordinator. */
export function openMarkers(store: ObjectStore, epoch: number, run: Marked<RunRecord>): RunMarkers {
  const leave = async <K extends 'plan' | 'decision' | 'result'>(
    kind: K,
    key: string,
    value: object,
  ): Promise<Marked<Records[K]>> => {
    const bytes = encodeJson({ ...value, epoch })
    if ((await store.put(key, bytes)) === 'Created')
      return { value: readMarker(kind, key, bytes), digest: sha256(bytes) }
    const there = await readRecord(store, kind, key)
    if (there === undefined)
      throw new FedsamError('StorageUnsuitable', `${store.description}: ${key} is there and is not`)
    if (there.value.epoch > epoch) throw superseded(epoch, there.value.epoch)
    return there
  }
  return {
    store,
    epoch,
    run,
    plan: (round, attempt) => readRecord(store, 'plan', attemptKeys(round, attempt).plan),
    decision: (round, attempt) => readRecord(store, 'decision', attemptKeys(round, attempt).decision),
    result: (round) => readRecord(store, 'result', resultKey(round)),
    writePlan: (plan) => leave('plan', attemptKeys(plan.round, plan.attempt).plan, plan),
    writeDecision: (decision) =>
      leave('decision', attemptKeys(decision.round, decision.attempt).decision, decision),
    writeResult: (result) => leave('result', resultKey(result.round), result),
    async assertCurrent() {
      if ((await store.size(epochKey(epoch + 1))) !== undefined) throw superseded(epoch, epoch + 1)
    },
  }
}

function superseded(mine: number, theirs: number): FedsamError {
  return new FedsamError('Superseded', `this coordinator has epoch ${mine}, a newer one has ${theirs}`, {
    remedy: 'nothing: the newer coordinator goes on',
  })
}
