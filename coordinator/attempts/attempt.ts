// An open attempt: its participants, the tasks that they receive, and their receipts. It reads and admits receipts from the store;
// messages only tell it when to look. until-closed.ts decides when the attempt ends.
//
// Life of an attempt (the marker that begins each step is the only thing that a restart needs):
//
//     awaitOpening ──► plan.json ──► open: tasks out, receipts in ──► decision.json ──► fold ──► result.json
//     (planning.ts)      │           (attempt.ts, until-closed.ts)      │ Closed        (run/all-rounds.ts)
//          │             │                                              │
//          │             └ a restart reads the plan and the receipts    └ Abandoned: the next attempt begins (round.ts)
//          └ too few clients: decision.json Abandoned, without a plan
import type { Have, Task, TaskState } from '#protocol/messages.ts'
import type { ClientOutcome, Plan } from '#protocol/record.ts'
import { localSeed } from '#protocol/seeds.ts'
import type { DType } from '#protocol/tensors.ts'
import { createAttemptUploads } from '../clients/attempt-uploads.ts'
import type { ServedAttempt } from '../clients/current-attempt.ts'
import type { ClientKeys } from '../record/client-keys.ts'
import type { Marked, RunMarkers } from '../record/markers.ts'
import { lastState, type StatesBefore } from '../rounds/client-states.ts'
import { type Change, createParticipants, type Participants } from './participants.ts'
import { type Admit, type Judgement, judgeReceipt } from './receipts.ts'

export interface OpenAttempt extends ServedAttempt, Omit<Participants, 'end'> {
  /** Reads the client's receipt from the store and admits it; `earlier` also takes receipts of earlier attempts. */
  checkReceipt(client: string, options?: { earlier?: boolean }): Promise<void>
  settle(client: string, outcome: ClientOutcome): void
}

export interface AttemptOptions {
  readonly markers: Pick<RunMarkers, 'store' | 'epoch' | 'run'>
  readonly clientKeys: Pick<ClientKeys, 'has'>
  readonly plan: Marked<Plan>
  readonly seed: number
  /** For the tasks: the element types in which round 0 received the tensors; null where the base has them. */
  readonly dtypes: readonly DType[] | null
  readonly states: StatesBefore
  readonly admit: Admit
  /** The attempt's deadline, in seconds of the coordinator's clock. */
  readonly until: number
  readonly onChange: (client: string, change: Change) => void
}

/** Opens the attempt that a plan describes. Every participant is pending. */
export function openAttempt(options: AttemptOptions): OpenAttempt {
  const { markers, plan, states, until, onChange } = options
  const { round, attempt } = plan.value
  const { end, ...participants } = createParticipants(plan.value, onChange)
  const { isPending } = participants
  const settle = (client: string, outcome: ClientOutcome): void => end(client, { kind: 'Settled', outcome })
  const checks = new Map<string, Promise<void>>()
  return {
    ...participants,
    plan,
    states,
    until,
    settle,
    uploads: createAttemptUploads(markers.store, plan.value.epoch !== markers.epoch),
    taskFor: (client) => (isPending(client) ? taskOf(options, client) : undefined),
    async checkReceipt(client, { earlier = false } = {}) {
      // A check that runs already may have read the store before the receipt was there: so check again after it.
      while (checks.has(client)) await checks.get(client)
      if (!isPending(client)) return
      const checking = search(options, { client, oldest: earlier ? 1 : attempt, isPending, end }).finally(
        () => checks.delete(client),
      )
      checks.set(client, checking)
      await checking
    },
    recordFailure(client: string, have: Extract<Have, { state: 'Failed' }>) {
      if (have.round !== round || have.attempt !== attempt) return
      settle(client, { client, outcome: 'Failed', reason: have.code, message: have.message })
    },
  }
}

interface Search extends Pick<Participants, 'isPending' | 'end'> {
  readonly client: string
  /** The first attempt whose receipt counts. */
  readonly oldest: number
}

/** Judges the client's receipts from the newest attempt to the oldest, until one ends its part. */
async function search(
  { markers, clientKeys, plan, states, admit }: AttemptOptions,
  { client, oldest, isPending, end }: Search,
): Promise<void> {
  const { attempt, cohort } = plan.value
  const trains = cohort.includes(client)
  for (let from = attempt; from >= oldest && isPending(client); from -= 1) {
    const expected = { uid: markers.run.value.uid, clientKeys, client, attempt: from, trains, states }
    const judgement = await judgeReceipt(markers.store, plan.value, expected, admit)
    // A rejection in an earlier attempt was reported there. It does not count in this one.
    if (judgement.kind !== 'None' && (from === attempt || judgement.kind !== 'Rejected'))
      end(client, changeOf(client, judgement))
  }
}

function changeOf(client: string, judgement: Exclude<Judgement, { kind: 'None' }>): Change {
  if (judgement.kind !== 'Rejected') return judgement
  const { reason, message } = judgement
  return { kind: 'Settled', outcome: { client, outcome: 'Rejected', reason, message } }
}

/** The state that the client goes on from. All attempts at a round carry the same one. */
function stateOf(states: StatesBefore, client: string): TaskState {
  const last = lastState(states, client)
  if (last === null) return { ...states.rule, last }
  const { sha256, size, dataset, key } = last
  return { ...states.rule, last: { sha256, size, dataset, key } }
}

/** A client's part of the plan. */
function taskOf({ markers, plan, seed, dtypes, states }: AttemptOptions, client: string): Task {
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
    ...(kind === 'Initialise' ? {} : { state: stateOf(states, client) }),
  }
}
