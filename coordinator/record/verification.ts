// The result of a verification of a record, and what its caller knows of the record from another source.
import type { Manifest, RunRecord } from '#protocol/record.ts'
import type { Contradiction, Trust } from './output-signatures.ts'
import type { Roster } from './verify-roster.ts'

/** The result of a verification. */
export interface Verification {
  /** Results in the chain, the evaluation of the last model included. */
  readonly results: number
  /** Exchanges of a Program run that are decided; null for a run with rounds. */
  readonly exchanges: number | null
  /** Payloads that were read and that have their digests. */
  readonly payloads: number
  /** Training rounds whose model is the fold of their updates, computed again. */
  readonly refolded: number
  /** Keys of payloads that the store does not have, because they were deleted or are lost. */
  readonly absent: readonly string[]
  /** The manifest of output/, if the output is complete; null if it is missing or damaged. */
  readonly manifest: Manifest | null
  readonly complete: boolean
  /** There is no manifest, although no training round follows the last one. */
  readonly unfinished: boolean
  /** The digest of the last result, which fixes every marker before it. Null for an empty chain. */
  readonly head: string | null
  /** The round of another run that the run started from; null where it started with round 0, or run.json is unreadable. */
  readonly resumedFrom: NonNullable<RunRecord['resumedFrom']> | null
  /** The digests of all results, in their order. */
  readonly chain: readonly string[]
  /** False where the credentials did not permit to list the output's files, so that a file too many was not looked for. */
  readonly listed: boolean
  /** Epochs of the coordinators whose signatures of the output are valid; of all signatures, by any certifier. */
  readonly signed: readonly number[]
  /** Sentences about updates that do not count, for reasons that the record alone cannot prove or refute. */
  readonly remarks: readonly string[]
  /** One sentence for each fault; empty for a sound record. */
  readonly problems: readonly string[]
  /** Those of the problems that the record alone does not have. */
  readonly contradictions: readonly Contradiction[]
}

/** What the caller knows of a record from another source. */
export interface Anchors {
  /** Who vouches for the signatures of the output. */
  readonly trust?: Trust
  /** Public keys that the clients published. */
  readonly roster?: Roster
}
