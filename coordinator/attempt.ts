// An open attempt: who was asked, how far each is, and the tasks that go out. It admits receipts as they appear in the store;
// messages only say where to look. The round (round.ts) decides when the attempt ends.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { Have, Task } from '#protocol/messages.ts'
import type { ClientOutcome, Evaluation, PayloadRef, Plan, Receipt } from '#protocol/record.ts'
import { localSeed } from '#protocol/seeds.ts'
import type { Admission } from './admission.ts'
import type { Standing } from './rounds/closing.ts'
import { type Marked, type RunBook, readRecord } from './record.ts'

/** An update that was admitted, and where its receipt lies. */
export interface AdmittedUpdate {
  readonly client: string
  readonly attempt: number
  readonly receipt: Marked<Receipt>
  readonly payload: PayloadRef
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
  /** The payload's bytes where they were small enough to keep. */
  readonly bytes?: Uint8Array
}

/** An evaluation of the base that was received. */
export interface ReceivedEvaluation extends Evaluation {
  readonly client: string
  readonly receipt: string
}

type Position =
  | { readonly kind: 'Pending' }
  | { readonly kind: 'Admitted'; readonly update: AdmittedUpdate }
  | { readonly kind: 'Evaluated' }
  | { readonly kind: 'Settled'; readonly outcome: ClientOutcome }

/** Admits the update that a receipt names; injected, since it reads every byte (admission.ts). */
export type Admit = (receipt: Receipt, payload: PayloadRef) => Promise<Admission>

export interface OpenAttempt {
  readonly plan: Marked<Plan>
  /** The task of a client in this attempt; undefined when it has none or is done with it. */
  taskFor(client: string): Task | undefined
  /** True for members of the attempt whose part is not settled. */
  isPending(client: string): boolean
  standing(client: string): Standing
  /** Looks into the store for the client's receipt and admits it; `earlier` also takes receipts of earlier attempts. */
  look(client: string, options?: { earlier?: boolean }): Promise<void>
  settle(client: string, outcome: ClientOutcome): void
  /** What the client reports about its work on this attempt. */
  hear(client: string, have: Have): void
  readonly updates: () => readonly AdmittedUpdate[]
  readonly evaluations: () => readonly ReceivedEvaluation[]
  readonly outcomes: () => readonly ClientOutcome[]
}

export interface AttemptOptions {
  readonly book: RunBook
  readonly plan: Marked<Plan>
  readonly seed: number
  readonly admit: Admit
  readonly onChange: (client: string, position: 'Admitted' | 'Evaluated' | ClientOutcome) => void
}

export function openAttempt(options: AttemptOptions): OpenAttempt {
  const { book, plan, seed, admit, onChange } = options
  const { round, attempt, cohort, evaluators, base, kind, config } = plan.value
  const positions = new Map<string, Position>()
  for (const client of [...cohort, ...evaluators]) positions.set(client, { kind: 'Pending' })
  const evaluations = new Map<string, ReceivedEvaluation>()
  const looking = new Map<string, Promise<void>>()
  const trains = (client: string): boolean => cohort.includes(client)
  const isPending = (client: string): boolean => positions.get(client)?.kind === 'Pending'

  const settle = (client: string, outcome: ClientOutcome): void => {
    if (!isPending(client)) return
    positions.set(client, { kind: 'Settled', outcome })
    onChange(client, outcome)
  }
  const reject = (client: string, reason: string, message: string): void =>
    settle(client, { client, outcome: 'Rejected', reason, message })

  /** Takes the receipt of one attempt; true when there was one. */
  const take = async (client: string, from: number): Promise<boolean> => {
    const keys = attemptKeys(round, from)
    let receipt: Marked<Receipt> | undefined
    try {
      receipt = await readRecord(book.store, 'receipt', keys.receipt(client))
    } catch (error) {
      if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
      if (from === attempt) reject(client, 'BadReceipt', error.message)
      return from === attempt
    }
    if (receipt === undefined) return false
    const { update, evaluation } = receipt.value
    const fits = receipt.value.client === client && receipt.value.round === round && receipt.value.attempt === from
    const baseDigest = base?.payload.sha256 ?? null
    if (!fits || receipt.value.base !== baseDigest) {
      const [reason, what] = fits ? ['WrongBase', `trained from ${receipt.value.base}`] : ['BadReceipt', 'it names another client or round']
      if (from === attempt) reject(client, reason!, what!)
      return from === attempt
    }
    if (!trains(client)) {
      noteEvaluation(client, receipt.digest, evaluation)
      positions.set(client, { kind: 'Evaluated' })
      onChange(client, 'Evaluated')
      return true
    }
    if (update === null) {
      if (from === attempt) reject(client, 'BadReceipt', 'it names no update')
      return from === attempt
    }
    const payload = { key: keys.payload(client, update.upload), size: update.size, sha256: update.sha256, blocks: update.blocks }
    const admission = await admit(receipt.value, payload)
    if (admission.kind === 'Rejected') {
      if (from === attempt) reject(client, admission.reason, admission.message)
      return from === attempt
    }
    if (!isPending(client)) return true
    const { numExamples, metrics } = update
    const kept = admission.bytes === undefined ? {} : { bytes: admission.bytes }
    positions.set(client, {
      kind: 'Admitted',
      update: { client, attempt: from, receipt, payload, numExamples, metrics, ...kept },
    })
    noteEvaluation(client, receipt.digest, evaluation)
    onChange(client, 'Admitted')
    return true
  }
  const noteEvaluation = (client: string, receipt: string, evaluation: Evaluation | null): void => {
    if (evaluation !== null && evaluators.includes(client)) evaluations.set(client, { client, receipt, ...evaluation })
  }

  const look: OpenAttempt['look'] = (client, { earlier = false } = {}) => {
    const running = looking.get(client)
    if (running !== undefined) return running
    const search = (async () => {
      for (let from = attempt; from >= (earlier ? 1 : attempt) && isPending(client); from -= 1) {
        if (await take(client, from)) return
      }
    })().finally(() => looking.delete(client))
    looking.set(client, search)
    return search
  }

  return {
    plan,
    isPending,
    settle,
    look,
    taskFor(client) {
      if (!isPending(client)) return undefined
      const evaluate = kind !== 'Initialise' && evaluators.includes(client)
      const work = trains(client) ? (kind === 'Initialise' ? 'Initialise' : 'Train') : 'Evaluate'
      return {
        kind: work,
        round,
        attempt,
        epoch: book.epoch,
        base: base?.payload ?? null,
        evaluate,
        config: { ...config, server_round: String(round) },
        seed: localSeed(seed, round, client),
      }
    },
    standing(client) {
      const position = positions.get(client)
      if (position === undefined || position.kind === 'Pending') return 'Pending'
      return position.kind === 'Admitted' ? 'Admitted' : 'Settled'
    },
    hear(client, have) {
      if (have.state !== 'Left' && have.state !== 'Failed') return
      if (have.round !== round || have.attempt !== attempt) return
      if (have.state === 'Failed') {
        settle(client, { client, outcome: 'Failed', reason: have.code, message: have.message })
      }
    },
    updates: () =>
      [...positions.values()]
        .flatMap((position) => (position.kind === 'Admitted' ? [position.update] : []))
        .sort((a, b) => (a.client < b.client ? -1 : 1)),
    evaluations: () => [...evaluations.values()].sort((a, b) => (a.client < b.client ? -1 : 1)),
    outcomes: () =>
      [...positions.values()].flatMap((position) => (position.kind === 'Settled' ? [position.outcome] : [])),
  }
}
