// An open attempt: who was asked, how far each is, and the tasks that go out. It admits receipts as they appear in the store;
// messages only say where to look. When the attempt ends is decided elsewhere (until-closed.ts).
import type { Have, Task } from '#protocol/messages.ts'
import type { ClientOutcome, Evaluation, NotEvaluated, Plan, Receipt, Unmeasured } from '#protocol/record.ts'
import { localSeed } from '#protocol/seeds.ts'
import type { DType } from '#protocol/tensors.ts'
import { type AttemptUploads, createAttemptUploads } from '../clients/attempt-uploads.ts'
import type { Marked, RunMarkers } from '../record/markers.ts'
import type { Standing } from '../rounds/closing.ts'
import { type Admit, type AdmittedUpdate, type Judgement, judgeReceipt } from './receipts.ts'

/** An evaluation of the base that was received. */
export interface ReceivedEvaluation extends Evaluation {
  readonly client: string
  readonly receipt: string
}

/** What became of a member: news for observers. */
export type Change =
  | { readonly kind: 'Admitted'; readonly update: AdmittedUpdate }
  | { readonly kind: 'Evaluated'; readonly receipt: Marked<Receipt> }
  | { readonly kind: 'Settled'; readonly outcome: ClientOutcome }

type Position = { readonly kind: 'Pending' } | Change

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
  /** The client says that its work on an attempt failed. */
  hearFailure(client: string, have: Extract<Have, { state: 'Failed' }>): void
  readonly updates: () => readonly AdmittedUpdate[]
  readonly evaluations: () => readonly ReceivedEvaluation[]
  /** Evaluators whose receipt says that they measured nothing. */
  readonly notEvaluated: () => readonly NotEvaluated[]
  readonly outcomes: () => readonly ClientOutcome[]
  /** What clients may write. */
  readonly uploads: AttemptUploads
  /** When the attempt is over, by the coordinator's clock: no grant is valid for longer. */
  readonly until: number
}

export interface AttemptOptions {
  readonly markers: RunMarkers
  readonly plan: Marked<Plan>
  readonly seed: number
  /** For the tasks: the element types in which round 0 got the tensors; null where the base has them. */
  readonly dtypes: readonly DType[] | null
  readonly admit: Admit
  readonly until: number
  readonly onChange: (client: string, change: Change) => void
}

/** What a receipt without either field means. */
const NOTHING: Unmeasured = { outcome: 'Nothing', reason: '', message: '' }

const byClient = (a: { client: string }, b: { client: string }): number => (a.client < b.client ? -1 : 1)

/** Opens the attempt that a plan describes; everyone's part is pending. */
export function openAttempt(options: AttemptOptions): OpenAttempt {
  const { markers, plan, admit, onChange } = options
  const { round, attempt, cohort, evaluators } = plan.value
  const positions = new Map<string, Position>()
  for (const client of [...cohort, ...evaluators]) positions.set(client, { kind: 'Pending' })
  const evaluations = new Map<string, ReceivedEvaluation>()
  const notEvaluated = new Map<string, NotEvaluated>()
  const looking = new Map<string, Promise<void>>()
  const isPending = (client: string): boolean => positions.get(client)?.kind === 'Pending'

  const change = (client: string, position: Change): void => {
    if (!isPending(client)) return
    positions.set(client, position)
    onChange(client, position)
  }
  const settle = (client: string, outcome: ClientOutcome): void =>
    change(client, { kind: 'Settled', outcome })

  const take = (client: string, judgement: Exclude<Judgement, { kind: 'None' }>): void => {
    if (!isPending(client)) return
    if (judgement.kind === 'Rejected') {
      const { reason, message } = judgement
      settle(client, { client, outcome: 'Rejected', reason, message })
      return
    }
    const receipt = judgement.kind === 'Admitted' ? judgement.update.receipt : judgement.receipt
    noteEvaluation(client, receipt)
    change(client, judgement.kind === 'Admitted' ? judgement : { kind: 'Evaluated', receipt })
  }
  const noteEvaluation = (client: string, { value, digest }: Marked<Receipt>): void => {
    if (!evaluators.includes(client)) return
    if (value.evaluation !== null) evaluations.set(client, { client, receipt: digest, ...value.evaluation })
    else notEvaluated.set(client, { client, ...(value.notEvaluated ?? NOTHING) })
  }
  const search = async (client: string, oldest: number): Promise<void> => {
    const trains = cohort.includes(client)
    for (let from = attempt; from >= oldest && isPending(client); from -= 1) {
      const judgement = await judgeReceipt(markers, plan.value, { client, attempt: from, trains }, admit)
      // What was wrong in an earlier attempt was said there: it does not count in this one.
      if (judgement.kind !== 'None' && (from === attempt || judgement.kind !== 'Rejected'))
        take(client, judgement)
    }
  }
  const look: OpenAttempt['look'] = async (client, { earlier = false } = {}) => {
    // One that is under way may have looked before the receipt was there: look again after it.
    while (looking.has(client)) await looking.get(client)
    if (!isPending(client)) return
    const searching = search(client, earlier ? 1 : attempt).finally(() => looking.delete(client))
    looking.set(client, searching)
    await searching
  }

  return {
    plan,
    isPending,
    settle,
    look,
    uploads: createAttemptUploads(markers.store, plan.value.epoch !== markers.epoch),
    until: options.until,
    taskFor: (client) => (isPending(client) ? taskOf(options, client) : undefined),
    standing(client) {
      const position = positions.get(client)
      if (position === undefined || position.kind === 'Pending') return 'Pending'
      return position.kind === 'Admitted' ? 'Admitted' : 'Settled'
    },
    hearFailure(client, have) {
      if (have.round !== round || have.attempt !== attempt) return
      settle(client, { client, outcome: 'Failed', reason: have.code, message: have.message })
    },
    updates: () =>
      [...positions.values()]
        .flatMap((position) => (position.kind === 'Admitted' ? [position.update] : []))
        .sort(byClient),
    evaluations: () => [...evaluations.values()].sort(byClient),
    notEvaluated: () => [...notEvaluated.values()].sort(byClient),
    outcomes: () =>
      [...positions.values()].flatMap((position) => (position.kind === 'Settled' ? [position.outcome] : [])),
  }
}

/** A client's part of the plan, as data. */
function taskOf({ markers, plan, seed, dtypes }: AttemptOptions, client: string): Task {
  const { round, attempt, kind, cohort, evaluators, base, config } = plan.value
  const trains = cohort.includes(client)
  return {
    kind: trains ? (kind === 'Initialise' ? 'Initialise' : 'Train') : 'Evaluate',
    round,
    attempt,
    epoch: markers.epoch,
    base: base?.payload ?? null,
    evaluate: kind !== 'Initialise' && evaluators.includes(client),
    config: { ...config, server_round: String(round) },
    ...(dtypes === null ? {} : { dtypes: [...dtypes] }),
    seed: localSeed(seed, round, client),
  }
}
