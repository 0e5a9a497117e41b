// The markers of a run: only this file writes and reads them; epochs.ts claims the epochs. A write never
// overwrites. If the key exists already, the marker is read back, and the store's version counts.
//
// Epochs. Each coordinator that starts claims the next free number, and signs its markers with it. Several coordinators may run
// at once, for example when a node comes back after its pod was replaced. Every key has one winner, the first writer, so both
// build on the same record. A newer coordinator accepts an older one's marker. An older one that finds a newer one's marker is
// superseded, and ends:
//
//     epoch 1   claims 1 ── plan(1) ─────────────── decision exists, epoch 2 > 1 ──► Superseded
//     epoch 2        claims 2 ── reads plan(1) ── decision(2) ── fold ── result(2) ──► continues
//
// epochs.ts ends the older coordinator earlier, as soon as it sees the key of the next epoch.
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Ask, ExchangeDecision, ProgramResult } from '#protocol/exchange.ts'
import {
  attemptKeys,
  epochKey,
  exchangeKeys,
  PROGRAM_RESULT_KEY,
  RUN_KEY,
  resultKey,
} from '#protocol/keys.ts'
import { type ReceiptSigner, receiptSigner } from '#protocol/receipt-signature.ts'
import {
  type Decision,
  type Plan,
  type Receipt,
  type Records,
  type RoundResult,
  type RunRecord,
  readMarker,
} from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'

/** A marker as the store has it. */
export interface Marked<T> {
  readonly value: T
  /** SHA-256 of its bytes. */
  readonly digest: string
}

/** The markers of one run, for the coordinator with this epoch. */
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
  /** Of a Program run. */
  ask(exchange: number): Promise<Marked<Ask> | undefined>
  exchange(exchange: number): Promise<Marked<ExchangeDecision> | undefined>
  program(): Promise<Marked<ProgramResult> | undefined>
  writeAsk(ask: Omit<Ask, 'epoch'>): Promise<Marked<Ask>>
  writeExchange(decision: Omit<ExchangeDecision, 'epoch'>): Promise<Marked<ExchangeDecision>>
  writeProgram(result: Omit<ProgramResult, 'epoch'>): Promise<Marked<ProgramResult>>
  /** Throws Superseded where a newer coordinator has claimed its epoch. */
  assertCurrent(): Promise<void>
}

/** What a user can do about a store that loses a write. */
const CONSISTENT = 'use a store whose reads see every earlier write'

type Unsigned<T> = T extends unknown ? Omit<T, 'epoch'> : never

/** Reads one marker; undefined where the key does not exist. Throws RecordDamaged where the object is not such a marker. */
export async function readRecord<K extends keyof Records>(
  store: Pick<StoreReader, 'get'>,
  kind: K,
  key: string,
): Promise<Marked<Records[K]> | undefined> {
  const bytes = await store.get(key)
  return bytes === undefined ? undefined : { value: readMarker(kind, key, bytes), digest: sha256(bytes) }
}

/** A client's marker as the store has it, with the key that signed it. */
export interface Signed<T> extends Marked<T> {
  readonly signer: ReceiptSigner
}

export type SignedReceipt = Signed<Receipt>

/** Reads a receipt, or a reply, of the run with this uid; undefined where the key does not exist. Throws RecordDamaged. */
export async function readSigned<K extends 'receipt' | 'reply'>(
  store: Pick<StoreReader, 'get'>,
  kind: K,
  key: string,
  uid: string,
): Promise<Signed<Records[K]> | undefined> {
  const bytes = await store.get(key)
  if (bytes === undefined) return undefined
  return { value: readMarker(kind, key, bytes), digest: sha256(bytes), signer: receiptSigner(bytes, uid) }
}

export function readReceipt(
  store: Pick<StoreReader, 'get'>,
  key: string,
  uid: string,
): Promise<SignedReceipt | undefined> {
  return readSigned(store, 'receipt', key, uid)
}

/** Writes run.json, or reads the existing one, which must describe the same run. Throws OutputInUse where it does not. */
export async function openRun(store: ObjectStore, wanted: RunRecord): Promise<Marked<RunRecord>> {
  const bytes = encodeJson(wanted)
  await store.put(RUN_KEY, bytes)
  const stored = await readRecord(store, 'run', RUN_KEY)
  if (stored === undefined)
    throw new FedsamError(
      'StorageUnsuitable',
      `${store.description}: ${RUN_KEY} could not be read back after it was written`,
      { remedy: CONSISTENT },
    )
  if (stored.digest === sha256(bytes)) return stored
  throw new FedsamError(
    'OutputInUse',
    `${store.description} holds the record of another job, or of this job before it was changed`,
    {
      remedy: 'choose another output, or run the job file that it was started with',
    },
  )
}

/** The markers for the coordinator with this epoch. */
export function openMarkers(store: ObjectStore, epoch: number, run: Marked<RunRecord>): RunMarkers {
  const write = async <K extends 'plan' | 'decision' | 'result' | 'ask' | 'exchange' | 'program'>(
    kind: K,
    key: string,
    value: object,
  ): Promise<Marked<Records[K]>> => {
    const bytes = encodeJson({ ...value, epoch })
    if ((await store.put(key, bytes)) === 'Created')
      return { value: readMarker(kind, key, bytes), digest: sha256(bytes) }
    const stored = await readRecord(store, kind, key)
    if (stored === undefined)
      throw new FedsamError(
        'StorageUnsuitable',
        `${store.description}: ${key} exists but could not be read back`,
        { remedy: CONSISTENT },
      )
    if (stored.value.epoch > epoch) throw superseded(epoch, stored.value.epoch)
    return stored
  }
  return {
    store,
    epoch,
    run,
    plan: (round, attempt) => readRecord(store, 'plan', attemptKeys(round, attempt).plan),
    decision: (round, attempt) => readRecord(store, 'decision', attemptKeys(round, attempt).decision),
    result: (round) => readRecord(store, 'result', resultKey(round)),
    writePlan: (plan) => write('plan', attemptKeys(plan.round, plan.attempt).plan, plan),
    writeDecision: (decision) =>
      write('decision', attemptKeys(decision.round, decision.attempt).decision, decision),
    writeResult: (result) => write('result', resultKey(result.round), result),
    ask: (exchange) => readRecord(store, 'ask', exchangeKeys(exchange).ask),
    exchange: (exchange) => readRecord(store, 'exchange', exchangeKeys(exchange).decision),
    program: () => readRecord(store, 'program', PROGRAM_RESULT_KEY),
    writeAsk: (ask) => write('ask', exchangeKeys(ask.exchange).ask, ask),
    writeExchange: (decision) => write('exchange', exchangeKeys(decision.exchange).decision, decision),
    writeProgram: (result) => write('program', PROGRAM_RESULT_KEY, result),
    async assertCurrent() {
      if ((await store.size(epochKey(epoch + 1))) !== undefined) throw superseded(epoch, epoch + 1)
    },
  }
}

function superseded(mine: number, theirs: number): FedsamError {
  return new FedsamError('Superseded', `this coordinator has epoch ${mine}, a newer one has ${theirs}`, {
    remedy: 'do nothing: the newer coordinator continues the run',
  })
}
