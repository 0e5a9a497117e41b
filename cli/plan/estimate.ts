// Estimates the cost of a round from counts alone. Pure: plain numbers in, plain numbers out. Each formula is beside its figure,
// so that it can be checked against a run's record.
import { LARGEST_SLICE } from '#coordinator/aggregation/budget.ts'
import { cohortSize } from '#coordinator/rounds/cohort.ts'
import { BLOCK_BYTES } from '#protocol/digest.ts'
import { canonicalHeader } from '#protocol/safetensors.ts'
import { type TensorList, type TensorSpec, tensorBytes } from '#protocol/tensors.ts'

/** Bytes of the payload that carries these tensors: one model, one update. */
export function payloadBytes(tensors: readonly TensorSpec[]): number {
  return canonicalHeader(tensors).length + tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0)
}

/** The inputs that decide how many clients a round asks. */
export interface ClientDemand {
  /** Partitions that train. */
  readonly clients: number
  /** Partitions that only evaluate. */
  readonly onlookers: number
  readonly fractionFit: number
  readonly minFitClients: number
  readonly fractionEvaluate: number
}

/** How many clients train and how many evaluate in a round with every client available. */
export function roundMembers(demand: ClientDemand): { cohort: number; evaluators: number } {
  const { clients, onlookers, fractionFit, minFitClients, fractionEvaluate } = demand
  return {
    cohort: cohortSize(clients, fractionFit, minFitClients),
    evaluators: Math.floor((clients + onlookers) * fractionEvaluate),
  }
}

/** The inputs that the costs depend on. */
export interface RoundDemand extends ClientDemand {
  readonly rounds: number
  readonly list: TensorList
  /** State vectors of the server optimizer, each of f64. */
  readonly vectors: number
  /** Vectors that each client's optimizer keeps from round to round, of f32; absent, none. */
  readonly clientVectors?: number
  /** Whether the bytes of these go to the record; absent, they do. */
  readonly statesTravel?: boolean
  /** Whether the fold reads every update twice, because it measures first. */
  readonly measures: boolean
  /** coordinator.memoryBytes; a quarter of it keeps small updates, so that they are read once. */
  readonly memoryBytes: number
  /** Local training: images, local epochs and batch size per partition; empty where they are unknown. */
  readonly partitions: readonly { readonly name: string; readonly train: number; readonly heldOut: number }[]
  readonly epochs: number
  readonly batchSize: number
}

export interface RoundEstimate {
  readonly cohort: number
  readonly evaluators: number
  readonly parameters: number
  /** One update, and one global model. */
  readonly modelBytes: number
  /** One client's state. */
  readonly stateBytes: number
  /** Bytes that workers fetch, that they send, that the coordinator reads, that it writes. */
  readonly bytes: {
    readonly down: number
    readonly up: number
    readonly read: number
    readonly written: number
  }
  /** Requests to the store and over the bus. */
  readonly requests: { readonly store: number; readonly bus: number }
  /** Optimizer steps by partition. */
  readonly steps: Readonly<Record<string, number>>
}

/** One round with every client available. */
export function estimateRound(demand: RoundDemand): RoundEstimate {
  const { list, memoryBytes } = demand
  const { cohort, evaluators } = roundMembers(demand)
  const members = Math.max(cohort, evaluators)
  const modelBytes = payloadBytes(list)
  const parameters = list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  const state = demand.vectors * parameters * 8
  const stateBytes = (demand.clientVectors ?? 0) * parameters * 4
  // Each state travels once, up; a client has its own last one, so it fetches none.
  const states = demand.statesTravel === false || stateBytes === 0 ? 0 : cohort
  const kept = Math.min(cohort, Math.floor(memoryBytes / 4 / modelBytes))
  // Admission reads every update once; the fold reads again what was not kept, and everything twice where it measures.
  const readings = cohort + (cohort - kept) * (demand.measures ? 2 : 1)
  // The norm of an update needs the base. A small base stays in memory; a large one is read beside every update.
  const baseReadings = modelBytes > memoryBytes / 16 ? cohort + 1 : 1
  const ranges = Math.ceil(modelBytes / LARGEST_SLICE)
  return {
    cohort,
    evaluators,
    parameters,
    modelBytes,
    stateBytes,
    bytes: {
      down: members * modelBytes,
      up: cohort * modelBytes + states * stateBytes,
      read: (readings + baseReadings) * modelBytes + state + states * stateBytes,
      written: modelBytes + state,
    },
    requests: {
      // A worker: the model, its update, its receipt. The coordinator: receipts, updates, base, plan, decision, model, result.
      store:
        members * 2 +
        cohort +
        members +
        (readings + baseReadings) * ranges +
        4 +
        (demand.vectors > 0 ? 2 : 0) +
        // A client writes its state, and the coordinator asks for its size and reads it by blocks; then it reads and writes the map.
        states * (2 + Math.ceil(stateBytes / BLOCK_BYTES)) +
        (stateBytes > 0 ? 2 : 0),
      // A worker: task and acknowledgement, one grant to read, one to write; one more to write a state.
      bus: members * 4 + states,
    },
    steps: Object.fromEntries(
      demand.partitions.map(({ name, train }) => [name, demand.epochs * Math.ceil(train / demand.batchSize)]),
    ),
  }
}
