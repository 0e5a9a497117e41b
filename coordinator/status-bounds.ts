// How much status.training may hold: the limits of the schema, and below them what the API server and people can bear.
import type { BestRound } from '#protocol/record.ts'

/** Names in one sentence. */
const NAMED = 20
const ABSENT = 1000
const METRICS = 32
/** With so many absent ones, each message gets shorter: an object of the API server has 1.5 MB at most. */
const MANY = 100
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
  named: NAMED,
  /** At most a thousand, by name; with text as long as there is room for. */
  absent<O extends string>(all: readonly Listed<O>[]): Required<Listed<O>>[] {
    const longest = all.length > MANY ? SHORT : 512
    return [...all]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .slice(0, ABSENT)
      .map(({ name, outcome, reason = '', message = '' }) => ({
        name,
        outcome,
        reason: shortened(reason, 128),
        message: shortened(message, longest),
      }))
  },
  best: ({ round, metric, value }: BestRound): BestRound => ({ round, metric: metric.slice(0, 64), value }),
} as const

/** At most `longest` characters. */
export function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}

/** The first of them, in their order. */
export function boundedMetrics(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).slice(0, METRICS))
}
