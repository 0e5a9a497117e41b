// How far each participant of an open attempt is: still pending, its update admitted, its evaluation received, or settled without
// either. A participant leaves Pending once, and never comes back: the first end of its part counts, later ones are ignored.
import type { ClientOutcome, Evaluation, NotEvaluated, Plan, Receipt, Unmeasured } from '#protocol/record.ts'
import type { Marked } from '../record/markers.ts'
import type { Standing } from '../rounds/closing.ts'
import type { AdmittedUpdate } from './receipts.ts'

/** An evaluation of the base that a client sent. */
export interface ReceivedEvaluation extends Evaluation {
  readonly client: string
  readonly receipt: string
}

/** How a participant's part ended. */
export type Change =
  | { readonly kind: 'Admitted'; readonly update: AdmittedUpdate }
  | { readonly kind: 'Evaluated'; readonly receipt: Marked<Receipt> }
  | { readonly kind: 'Settled'; readonly outcome: ClientOutcome }

export interface Participants {
  isPending(client: string): boolean
  standing(client: string): Standing
  /** Ends a participant's part, and its receipt's evaluation counts. Does nothing where the part has ended already. */
  end(client: string, change: Change): void
  readonly updates: () => readonly AdmittedUpdate[]
  readonly evaluations: () => readonly ReceivedEvaluation[]
  /** Evaluators whose receipt says that they measured nothing. */
  readonly notEvaluated: () => readonly NotEvaluated[]
  readonly outcomes: () => readonly ClientOutcome[]
  /** The receipts that count. */
  readonly receipts: () => readonly Marked<Receipt>[]
}

/** What a receipt with neither an evaluation nor a reason means. */
const NOTHING: Unmeasured = { outcome: 'Nothing', reason: '', message: '' }

const byClient = (a: { client: string }, b: { client: string }): number => (a.client < b.client ? -1 : 1)

function receiptOf(change: Exclude<Change, { kind: 'Settled' }>): Marked<Receipt> {
  return change.kind === 'Admitted' ? change.update.receipt : change.receipt
}

/** The participants of a plan, all pending. */
export function createParticipants(
  { cohort, evaluators }: Plan,
  onChange: (client: string, change: Change) => void,
): Participants {
  const ends = new Map<string, Change | null>([...cohort, ...evaluators].map((client) => [client, null]))
  const evaluations = new Map<string, ReceivedEvaluation>()
  const notEvaluated = new Map<string, NotEvaluated>()
  const isPending = (client: string): boolean => ends.get(client) === null
  const noteEvaluation = (client: string, { value, digest }: Marked<Receipt>): void => {
    if (!evaluators.includes(client)) return
    if (value.evaluation !== null) evaluations.set(client, { client, receipt: digest, ...value.evaluation })
    else notEvaluated.set(client, { client, ...(value.notEvaluated ?? NOTHING) })
  }
  return {
    isPending,
    standing(client) {
      const end = ends.get(client) ?? null
      if (end === null) return 'Pending'
      return end.kind === 'Admitted' ? 'Admitted' : 'Settled'
    },
    end(client, change) {
      if (!isPending(client)) return
      if (change.kind !== 'Settled') noteEvaluation(client, receiptOf(change))
      ends.set(client, change)
      onChange(client, change)
    },
    receipts: () =>
      [...ends.values()].flatMap((end) => (end === null || end.kind === 'Settled' ? [] : [receiptOf(end)])),
    updates: () =>
      [...ends.values()].flatMap((end) => (end?.kind === 'Admitted' ? [end.update] : [])).sort(byClient),
    evaluations: () => [...evaluations.values()].sort(byClient),
    notEvaluated: () => [...notEvaluated.values()].sort(byClient),
    outcomes: () => [...ends.values()].flatMap((end) => (end?.kind === 'Settled' ? [end.outcome] : [])),
  }
}
