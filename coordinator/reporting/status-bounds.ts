// Bounds the contents of status.training: within the limits of the schema, and short enough for the API server and for people.
import type { TrainingClients, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { Outlier } from '#protocol/outliers.ts'
import type { BestRound } from '#protocol/record.ts'
import { shortened } from '#protocol/text.ts'

/** Clients that one list names. */
const ABSENT = 1000
/** Outliers that the status names. */
const OUTLIERS = 100
/** Largest figure that the schema allows. */
const LARGEST = 1e300
/** Metrics of one evaluation. */
const METRICS = 32
/** Characters of a metric's name. */
const METRIC_NAME = 64
/** Characters of a partition's name. */
const PARTITION_NAME = 63
/** Clients in a list from which messages become short: an object of the API server has at most 1.5 MB. */
const MANY = 100
/** Characters of a short message. */
const SHORT = 100

/** A client in a list of the status. */
interface Listed<O extends string> {
  readonly name: string
  readonly outcome: O
  readonly reason?: string
  readonly message?: string
}

export const bounds = {
  reason: 128,
  message: 4096,
  uri: 1024,
  rounds: 10,
  /** Names in one sentence. The rest are counted. */
  named: 20,
  /** The first ABSENT clients by name. Their messages are shorter where the list is long. */
  absent<O extends string>(all: readonly Listed<O>[]): Required<Listed<O>>[] {
    const longest = all.length > MANY ? SHORT : 512
    return all
      .filter(({ name }) => name.length <= PARTITION_NAME)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .slice(0, ABSENT)
      .map(({ name, outcome, reason = '', message = '' }) => ({
        name,
        outcome,
        reason: shortened(reason, 128),
        message: shortened(message, longest),
      }))
  },
  /** The first OUTLIERS outliers, in their order. `round` is the round that they belong to. */
  outliers: (
    all: readonly Outlier[],
    round: number,
  ): Required<NonNullable<TrainingClients['outliers']>[number]>[] =>
    all.slice(0, OUTLIERS).map(({ client, measure, value, median }) => ({
      name: client,
      measure,
      round,
      value: Math.min(value, LARGEST),
      median: Math.min(median, LARGEST),
    })),
  best: ({ round, metric, value }: BestRound): BestRound => ({
    round,
    metric: shortened(metric, METRIC_NAME),
    value,
  }),
} as const

/** The first METRICS metrics, in their order. */
export function boundedMetrics(metrics: Readonly<Record<string, number>>): Record<string, number> {
  const first = Object.entries(metrics).slice(0, METRICS)
  return Object.fromEntries(first.map(([name, value]) => [shortened(name, METRIC_NAME), value]))
}

/**
 * Shorter forms of a status that the API server refuses: first without the texts of clients and trainers, then without lists. The
 * fields that programs wait for stay: uid, state, reason, round and output.
 */
export function withoutDetails(status: TrainingStatus, message: string): readonly TrainingStatus[] {
  const { uid, epoch, round, attempt, state, reason, head, output, pauseUntil, updatedTime } = status
  const bare = { uid, epoch, round, attempt }
  const core = {
    ...bare,
    ...(state === undefined ? {} : { state }),
    ...(reason === undefined ? {} : { reason }),
    message: shortened(message, 4096),
    ...(pauseUntil === undefined ? {} : { pauseUntil }),
    ...(updatedTime === undefined ? {} : { updatedTime }),
  }
  const result = { ...(head === undefined ? {} : { head }), ...(output === undefined ? {} : { output }) }
  return [{ ...core, ...result }, core]
}
