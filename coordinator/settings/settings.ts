// The settings that the coordinator reads from a job, as plain values. from-spec.ts derives them from the spec with its defaults.
import type { ChildProgram } from '#runtime/children/child-process.ts'
import type { StoreReader } from '#transport/ports.ts'
import type { ClipRule } from '../rounds/clipping.ts'
import type { StoppingRule } from '../rounds/stopping.ts'

/** A partition as the coordinator sees it. */
export interface Member {
  readonly name: string
  /** False: the client only evaluates. */
  readonly train: boolean
  /** The one key of a site's client (protocol/external.ts). Other clients have none here: the record pins theirs. */
  readonly publicKey?: string
}

/** The part of a job that may change while it runs. Each plan records the values that it used. */
export interface LiveSettings {
  readonly generation: number
  readonly rounds: number
  readonly members: readonly Member[]
  readonly round: {
    readonly deadlineSeconds: number
    readonly quorum: number
    readonly graceSeconds: number | null
    readonly availabilitySeconds: number
    readonly settleSeconds: number
    readonly maxFailedRounds: number
    /** The most examples that one client counts with; null: as many as it reports. */
    readonly maxExamples: number | null
  }
}

/** The one key of a site's client; undefined for every other client. */
export function keyOf({ members }: Pick<LiveSettings, 'members'>, client: string): string | undefined {
  return members.find(({ name }) => name === client)?.publicKey
}

/** Opens the record at an address for reading. Throws what a store throws that cannot be reached. */
export type OpenRecord = (address: string) => Promise<StoreReader>

/** Where the parameters of the first result come from. */
export type Origin =
  /** Tensors of the base checkpoint that train, by the trainer's rule (protocol/segment-anything.ts). */
  | { readonly kind: 'Checkpoint'; readonly select: (names: readonly string[]) => string[] }
  /** A safetensors file that the user named. `select` as above; null for a Command trainer, whose tensors only it knows. */
  | {
      readonly kind: 'InitialParameters'
      readonly file: string
      readonly select?: ((names: readonly string[]) => string[]) | null
    }
  /** One client's get_parameters(), as Flower's server does. */
  | { readonly kind: 'Client' }
  /** A finished round of another run. The run continues with the round after it. `select` as above. */
  | {
      readonly kind: 'Resumed'
      /** The address in spec.resumeFrom. */
      readonly prefix: string
      readonly round: number
      readonly select: ((names: readonly string[]) => string[]) | null
      /** Opens that record for reading. */
      readonly open: () => Promise<StoreReader>
    }

/** What a job says about its program (spec.strategy.program). */
export interface ProgramRule {
  /** How often a program that a signal ended is started again without a new exchange. */
  readonly restarts: number
}

/** The program as a child of this process. */
export interface ProgramCommand extends Omit<ChildProgram, 'cwd'> {
  /** Its working folder, which each life finds empty. Nothing else may be kept there. */
  readonly folder: string
  /** A program that writes nothing and uses no processor for so long, while no call waits for an answer, has failed. Seconds. */
  readonly noProgressSeconds: number
}

/** The part of a job that never changes. */
export interface FixedSettings {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly seed: number
  readonly strategy: { readonly type: string } & Readonly<Record<string, unknown>>
  /** The rules of a Program run, which has exchanges in place of rounds; null: the run has rounds. */
  readonly program: ProgramRule | null
  /** How updates are clipped before the strategy combines them; null: they are not. */
  readonly clipNorm: ClipRule | null
  readonly minFitClients: number
  readonly minAvailableClients: number
  readonly fractionFit: number
  readonly fractionEvaluate: number
  /** The config argument of fit and evaluate. */
  readonly config: Readonly<Record<string, string>>
  readonly stopping: StoppingRule
  readonly retentionRounds: number
  readonly memoryBytes: number
  readonly origin: Origin
  /** A local folder that holds the base checkpoint; null where the trainer brings its own parameters. */
  readonly base: { readonly uri: string; readonly folder: string } | null
  /** For run.json: the spec with defaults, without the fields that may change. */
  readonly spec: Readonly<Record<string, unknown>>
}

/** Times of the coordinator, in seconds. They change when it acts, and never what it computes. */
export interface Pace {
  /** The longest time that a request waits for a task before the answer `wait`. */
  readonly holdSeconds: number
  /** A client that sends no request for this time is offline. */
  readonly silenceSeconds: number
  /** The time between two searches of the store for receipts whose message was lost, and for a newer coordinator. */
  readonly pollSeconds: number
  /** The longest time that the end of the run waits for workers to leave. */
  readonly farewellSeconds: number
  /** The longest time that a grant is valid. */
  readonly grantSeconds: number
  /** The least time between two writes of progress to the job's status. Changes of state are written at once. */
  readonly statusSeconds: number
  /** The pause after an attempt with too few clients. It doubles with each such attempt in a row. 0: no pause. */
  readonly pauseSeconds: number
  /** The bound of that pause. */
  readonly longestPauseSeconds: number
}

export const DEFAULT_PACE: Pace = {
  holdSeconds: 10,
  silenceSeconds: 45,
  pollSeconds: 15,
  farewellSeconds: 60,
  grantSeconds: 900,
  statusSeconds: 10,
  pauseSeconds: 0,
  longestPauseSeconds: 600,
}

/** In a cluster the coordinator pauses, because other jobs wait for the devices that idle workers hold. */
export const CLUSTER_PACE: Pace = { ...DEFAULT_PACE, pauseSeconds: 30 }
