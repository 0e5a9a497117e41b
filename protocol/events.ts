// What a run tells its observers, as data: the command line prints it (`--json`: one object a line, documented in
// docs/events.md), the cluster makes conditions and Kubernetes events of it. Nothing depends on an event being seen.
import type { AbandonReason } from './outcomes.ts'
import type { Outlier } from './outliers.ts'
import type { RunFailureReason } from './reasons.ts'
import type { BestRound, ClientOutcome, Evaluation, NotEvaluated, RunRecord } from './record.ts'

/** A training round of the record, as a client that missed its end receives it. */
export interface FinishedRound {
  readonly round: number
  readonly attempt: number
  /** How many were asked, and how many updates the decision names. */
  readonly cohort: number
  readonly accepted: number
  readonly seconds: number
  /** Of this round's model; null where nobody evaluated it yet. */
  readonly evaluation: Evaluation | null
}

/** A fact about a run, as it happens. `round` and `attempt` are those of the record. */
export type RunEvent =
  | {
      readonly event: 'RunStarted'
      /** Of a Program run alone, which has exchanges in place of rounds: `completed` counts them, `rounds` is 0. */
      readonly program?: true
      readonly name: string
      readonly epoch: number
      readonly rounds: number
      readonly completed: number
      /** All partitions of the job. */
      readonly roster: readonly string[]
      /** Digest of the newest result, the head of the hash chain; null before the first one. */
      readonly head: string | null
      /** Best round so far by the declared metric. */
      readonly best: BestRound | null
      /** The newest training rounds of the record, in order. */
      readonly newest: readonly FinishedRound[]
    }
  | {
      readonly event: 'ClientJoined'
      readonly client: string
      readonly backend: string
      /** How many partitions are there now, it included. */
      readonly available: number
    }
  /**
   * A request in the name of an offline client has no signature that fits it, or is of a version of the conversation that this
   * coordinator does not understand. At most once a minute for each client.
   */
  | {
      readonly event: 'ClientRefused'
      readonly client: string
      readonly reason: 'BadSignature' | 'OtherVersion'
      readonly message: string
    }
  /**
   * A site connected, fell silent, or speaks another version of the conversation than before. `silentSeconds` ago it was last heard;
   * null: this coordinator has never heard it, and knows no version of it.
   */
  | {
      readonly event: 'SiteConnection'
      readonly client: string
      readonly publicKey: string
      readonly connected: boolean
      readonly silentSeconds: number | null
      readonly version: number | null
    }
  /** A client ignored this many answers: no certified coordinator signed them. At most once a minute for each client. */
  | { readonly event: 'AnswersIgnored'; readonly client: string; readonly count: number }
  | {
      readonly event: 'Waiting'
      readonly round: number
      readonly attempt: number
      readonly kind: 'Train' | 'Evaluate' | 'Initialise'
      readonly roster: readonly string[]
      readonly available: readonly string[]
      readonly missing: readonly string[]
      /** Why each of the missing is: not heard, or what it prepares. */
      readonly absent: readonly ClientOutcome[]
      readonly needed: number
    }
  | {
      readonly event: 'AttemptOpened'
      readonly round: number
      readonly attempt: number
      readonly kind: 'Train' | 'Evaluate' | 'Initialise'
      readonly roster: readonly string[]
      readonly cohort: readonly string[]
      readonly evaluators: readonly string[]
      /** Who of the roster is not there, and why. */
      readonly absent: readonly ClientOutcome[]
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
  /** A client could not evaluate the model that the round started from. Its update is another matter. */
  | {
      readonly event: 'EvaluationFailed'
      readonly round: number
      readonly client: string
      readonly reason: string
      readonly message: string
    }
  | {
      readonly event: 'AttemptAbandoned'
      readonly round: number
      readonly attempt: number
      readonly kind: 'Train' | 'Evaluate' | 'Initialise'
      readonly reason: AbandonReason
      readonly message: string
      readonly outcomes: readonly ClientOutcome[]
      /** Seconds until the next attempt begins, so that others get the devices; 0: it begins at once. */
      readonly pauseSeconds: number
    }
  /** The run has its first result: the initial parameters, and whose they are. */
  | {
      readonly event: 'Initialised'
      readonly origin: 'Checkpoint' | 'InitialParameters' | 'Client' | 'Resumed'
      readonly client: string | null
      /** How many tensors came as 16-bit floats and are kept as F32, by the dtype that they came in. */
      readonly narrow: Readonly<Record<string, number>>
      /**
       * The round of another run that the run starts from; null where it starts with round 0. `state` is the server optimizer's:
       * Carried continues it, Fresh begins it at 0, and with None the strategy has none.
       */
      readonly resumed:
        | (NonNullable<RunRecord['resumedFrom']> & { readonly state: 'Carried' | 'Fresh' | 'None' })
        | null
      readonly head: string
    }
  /** Something that the user should know before the first step; the run goes on. */
  | { readonly event: 'Advice'; readonly topic: 'TensorNames'; readonly message: string }
  | {
      readonly event: 'RoundCompleted'
      readonly round: number
      readonly attempt: number
      readonly kind: 'Train' | 'Evaluate'
      readonly cohort: readonly string[]
      readonly accepted: readonly string[]
      readonly outcomes: readonly ClientOutcome[]
      /** Of the model that the round started from, the mean over the clients and each client's own. */
      readonly evaluation: Evaluation | null
      readonly evaluations: readonly ({ readonly client: string } & Evaluation)[]
      /** Everybody who was asked to evaluate and did not, with the reason. */
      readonly notEvaluated: readonly NotEvaluated[]
      /** Clients whose norm or loss is more than ten times the median of the round. A warning: they are not excluded. */
      readonly outliers: readonly Outlier[]
      readonly metrics: Readonly<Record<string, number>>
      readonly seconds: number
      /** Digest of its result, the head of the hash chain. */
      readonly head: string
      readonly best: BestRound | null
      /** Bytes of models and checkpoint files that clients were granted since the last round. */
      readonly sentBytes: number
    }
  /**
   * A strategy's program started. `life` counts its starts by this coordinator, from 1; the program repeats `recorded` exchanges, whose
   * replies the record has. `why`: how the life before ended; '' for the first.
   */
  | {
      readonly event: 'ProgramStarted'
      readonly life: number
      readonly recorded: number
      readonly why: string
    }
  /** The program named a round of its own; `of` is the number of its rounds, null where it names none. */
  | {
      readonly event: 'ProgramRound'
      readonly exchange: number
      readonly round: number
      readonly of: number | null
    }
  /**
   * A later life of the program sent the same messages with other roundings, as it may on another processor. The record's messages count.
   */
  | { readonly event: 'ReplayRounded'; readonly exchange: number }
  /** The program's messages leave for their clients, which are named once each. */
  | {
      readonly event: 'ExchangeOpened'
      readonly exchange: number
      /** The round that the program named last, and the number of its rounds; null where it named none. */
      readonly round: number | null
      readonly of: number | null
      readonly messages: number
      readonly clients: readonly string[]
    }
  /** Of an exchange it is decided which replies count. `errors` counts the replies that say that a client's program failed. */
  | {
      readonly event: 'ExchangeCompleted'
      readonly exchange: number
      readonly replies: number
      readonly errors: number
      /** One for each message without a reply that counts. */
      readonly outcomes: readonly ClientOutcome[]
      readonly seconds: number
      /** Digest of its decision, the head of the hash chain. */
      readonly head: string
    }
  | {
      readonly event: 'RunCompleted'
      /** Of a Program run alone, whose `rounds` are exchanges: what the program measured. `digest` is '' where it has no model. */
      readonly program?: { readonly metrics: Readonly<Record<string, number>> }
      readonly rounds: number
      readonly output: string
      readonly evaluation: Evaluation | null
      /** The round whose model it is, and the model's SHA-256. */
      readonly round: number
      readonly digest: string
      readonly head: string
    }
  /** A metric that the job ranks or stops by does not count for the model of this round. */
  | {
      readonly event: 'MetricMissing'
      readonly round: number
      readonly metric: string
      readonly fields: readonly ('bestBy' | 'stopWhen')[]
      /** Clients that evaluated the model without it; all who were asked where nobody evaluated. */
      readonly without: readonly string[]
      /** What at least one of them reported. */
      readonly reported: readonly string[]
    }
  | {
      readonly event: 'RunFailed'
      readonly code: string
      readonly reason: RunFailureReason
      readonly message: string
    }

/** Takes events; must not throw and must not wait. */
export type Observer = (event: RunEvent) => void
