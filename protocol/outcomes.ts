// What may become of a client in a round, and why: closed lists, so that every program and every reader says the same.

/** What became of a client of the roster in one attempt. */
export const OUTCOMES = [
  'Accepted',
  'Rejected', // its update was rejected: see RejectionReason
  'Late', // it was at work when the attempt closed
  'Failed', // its trainer or pod said so
  'Unreachable', // silent when the attempt closed
  'Refused', // it may not take part (identity, tensor list)
  'Removed', // its partition left the job
  'NotSelected',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What a client reports itself of an evaluation that it did not make: it holds no data out, or its trainer failed. */
export const UNMEASURED_OUTCOMES = ['Nothing', 'Failed'] as const

/** What became of an evaluation that is missing. */
export const NOT_EVALUATED_OUTCOMES = [
  'Nothing',
  'Rejected',
  'Late',
  'Failed',
  'Unreachable',
  'Refused',
  'Removed',
] as const satisfies readonly (Outcome | (typeof UNMEASURED_OUTCOMES)[number])[]

/** Why an update was not admitted. */
export type RejectionReason =
  | 'WrongSignature' // its receipt has no signature of the client's key
  | 'WrongBase' // trained from another model than the plan's
  | 'WrongState' // goes on from another state than the client's last one that counts
  | 'StateTooLarge' // its state has more bytes than strategy.clientStateBytes
  | 'WrongTensors' // names, shapes or dtypes differ from the run's list
  | 'WrongSize' // the stored body is longer or shorter than the receipt says
  | 'WrongDigest' // the stored bytes do not fit the receipt
  | 'NotFinite' // a NaN or an infinity
  | 'BadNumExamples' // not a positive integer within MAX_NUM_EXAMPLES
  | 'BadReceipt' // the receipt itself cannot be read
  | 'Unacceptable' // the strategy's own rule gave it the factor 0

/** Why an attempt was given up. */
export const ABANDON_REASONS = [
  'NotEnoughClients', // too few clients were there to open it
  'QuorumNotReached', // too few updates were accepted
  'RecordDamaged', // an accepted update cannot be read back
] as const
export type AbandonReason = (typeof ABANDON_REASONS)[number]

/** Why no further training round follows. */
export const STOP_REASONS = ['LastRound', 'TargetReached', 'NoImprovement'] as const

/** Largest num_examples of one update: n·x stays exact in f64 for f32 values x. */
export const MAX_NUM_EXAMPLES = 2 ** 29

/** Most bytes of a client's first parameters, which fix the run's tensors. Larger models start from a file. */
const FIRST_BYTES = 64 * 1024 ** 3
/** What an update may have beyond twice the model: a header with other names. */
const OTHER_HEADER = 1024 * 1024

/**
 * The most bytes of one update for a model of `bytes`; `null`: of the first parameters. A correct update is as long as the model.
 * The rest is room for an update with other tensors, so that its rejection can name them.
 */
export function mostUpdateBytes(modelBytes: number | null): number {
  return modelBytes === null ? FIRST_BYTES : 2 * modelBytes + OTHER_HEADER
}
