// What a coordinator consumes of a job: the spec with its defaults, compiled to plain values in one place.
import type { StoreReader } from '#transport/ports.ts'
import type { StoppingRule } from '../rounds/stopping.ts'

/** A partition as the coordinator sees it. */
export interface Member {
  readonly name: string
  /** false: it only evaluates. */
  readonly train: boolean
}

/** The part of a job that may change while it runs; plans record what they used. */
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
  }
}

/** Opens the record at an address, for reading. Throws what a store out of reach throws. */
export type OpenRecord = (address: string) => Promise<StoreReader>

/** Where the parameters of the first result come from. */
export type Origin =
  /** Tensors of the base checkpoint, by the trainer's rule (protocol/segment-anything.ts). */
  | { readonly kind: 'Checkpoint'; readonly select: (names: readonly string[]) => string[] }
  /** A safetensors file that the user named. `select` as above; null for a trainer that alone knows what it trains. */
  | {
      readonly kind: 'InitialParameters'
      readonly file: string
      readonly select?: ((names: readonly string[]) => string[]) | null
    }
  /** One client's get_parameters(), as Flower's server does. */
  | { readonly kind: 'Client' }
  /** A finished round of another run: the run goes on with the round after it. `select` as above. */
  | {
      readonly kind: 'Resumed'
      /** As spec.resumeFrom has it. */
      readonly prefix: string
      readonly round: number
      readonly select: ((names: readonly string[]) => string[]) | null
      /** Opens that record, for reading. */
      readonly open: () => Promise<StoreReader>
    }

/** The part of a job that never changes. */
export interface FixedSettings {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly seed: number
  readonly strategy: { readonly type: string } & Readonly<Record<string, unknown>>
  readonly minFitClients: number
  readonly minAvailableClients: number
  readonly fractionFit: number
  readonly fractionEvaluate: number
  /** Reaches fit(config) and evaluate(config). */
  readonly config: Readonly<Record<string, string>>
  readonly stopping: StoppingRule
  readonly retentionRounds: number
  readonly memoryBytes: number
  readonly origin: Origin
  /** A local folder that holds the base checkpoint; null where the trainer brings its own parameters. */
  readonly base: { readonly uri: string; readonly folder: string } | null
  /** For run.json: the spec with defaults, without what may change. */
  readonly spec: Readonly<Record<string, unknown>>
}

/** How the coordinator behaves, not what it computes. Seconds. */
export interface Pace {
  /** How long a request is held open before it is answered with `wait`. */
  readonly holdSeconds: number
  /** A client unheard for so long is away. */
  readonly silenceSeconds: number
  /** How often the store is asked for receipts whose message was lost. */
  readonly pollSeconds: number
  /** How long the end of the run waits for workers to hear of it. */
  readonly farewellSeconds: number
  readonly grantSeconds: number
  /** Progress is left in the job's status at most so often; changes of state at once. */
  readonly statusSeconds: number
  /**
   * After an attempt at which too few clients were there, none begins for so long, doubled for each such attempt in a row; 0: the
   * next one begins at once.
   */
  readonly pauseSeconds: number
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

/** In a cluster others wait for the devices that idle workers hold. */
export const CLUSTER_PACE: Pace = { ...DEFAULT_PACE, pauseSeconds: 30 }
