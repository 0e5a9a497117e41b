// What a run tells its observers, as data: the command line prints it (`--json`: one object a line, documented in
// docs/events.md), the cluster makes conditions and Kubernetes events of it. Nothing depends on an event being seen.
import type { ClientOutcome, Evaluation } from './record.ts'

/** A fact about a run, as it happens. `round` and `attempt` are those of the record. */
export type RunEvent =
  | {
      readonly event: 'RunStarted'
      readonly name: string
      readonly epoch: number
      readonly rounds: number
      readonly completed: number
    }
  | { readonly event: 'ClientJoined'; readonly client: string; readonly backend: string }
  | {
      readonly event: 'Waiting'
      readonly round: number
      readonly attempt: number
      readonly available: readonly string[]
      readonly missing: readonly string[]
      readonly needed: number
    }
  | {
      readonly event: 'AttemptOpened'
      readonly round: number
      readonly attempt: number
      readonly kind: 'Train' | 'Evaluate' | 'Initialise'
      readonly cohort: readonly string[]
      readonly evaluators: readonly string[]
    }
  | {
      readonly event: 'Progress'
      readonly round: number
      readonly client: string
      readonly done: number
      readonly total: number
      readonly message: string
    }
  | {
      readonly event: 'UpdateAdmitted'
      readonly round: number
      readonly client: string
      readonly numExamples: number
      readonly bytes: number
    }
  | {
      readonly event: 'UpdateRejected'
      readonly round: number
      readonly client: string
      readonly reason: string
      readonly message: string
    }
  | {
      readonly event: 'ClientFailed'
      readonly round: number
      readonly client: string
      readonly reason: string
      readonly message: string
    }
  | {
      readonly event: 'AttemptAbandoned'
      readonly round: number
      readonly attempt: number
      readonly reason: string
      readonly message: string
      readonly outcomes: readonly ClientOutcome[]
    }
  | {
      readonly event: 'RoundCompleted'
      readonly round: number
      readonly attempt: number
      readonly accepted: readonly string[]
      readonly outcomes: readonly ClientOutcome[]
      /** Of the model that the round started from, the mean over the clients and each client's own. */
      readonly evaluation: Evaluation | null
      readonly evaluations: readonly ({ readonly client: string } & Evaluation)[]
      readonly metrics: Readonly<Record<string, number>>
      readonly seconds: number
    }
  | {
      readonly event: 'RunCompleted'
      readonly rounds: number
      readonly output: string
      readonly evaluation: Evaluation | null
    }
  | { readonly event: 'RunFailed'; readonly code: string; readonly message: string }

/** Takes events; must not throw and must not wait. */
export type Observer = (event: RunEvent) => void
