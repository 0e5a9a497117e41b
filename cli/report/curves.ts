// Converts attempts to curves: the evaluation of every model, and the training metrics of every round, for each client and over
// all clients. The clients evaluate a model in the round after the one that produced it. Pure.
import type { Evaluation } from '#protocol/record.ts'
import type { AttemptRecord } from './attempt-record.ts'
import type { Curve, Point } from './facts.ts'

/** One measurement: the round, and the named values of each client and over all clients. */
interface Row {
  readonly round: number
  readonly mean: Readonly<Record<string, number>>
  readonly clients: ReadonlyMap<string, Readonly<Record<string, number>>>
}

/** The curves of evaluation, then those of training; metrics by name, the loss last. */
export function curvesOf(clients: readonly string[], attempts: readonly AttemptRecord[]): Curve[] {
  const evaluated = latest(attempts.flatMap(evaluationRow))
  const trained = latest(attempts.flatMap(trainingRow))
  return [
    ...curves(clients, evaluated, 'of the global model, on held-out data'),
    ...curves(clients, trained, "of the clients' own training"),
  ]
}

/** A round may close twice: once with updates that are damaged before aggregation, and then in another attempt. */
function latest(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [row.round, row])).values()]
}

function evaluationRow({ plan, decision }: AttemptRecord): Row[] {
  if (decision.kind !== 'Closed' || decision.evaluation === null) return []
  const named = ({ loss, metrics }: Pick<Evaluation, 'loss' | 'metrics'>) => ({ ...metrics, loss })
  const each = decision.evaluations.map((evaluation) => [evaluation.client, named(evaluation)] as const)
  return [{ round: plan.round - 1, mean: named(decision.evaluation), clients: new Map(each) }]
}

function trainingRow({ plan, result, receipts }: AttemptRecord): Row[] {
  if (plan.kind === 'Evaluate' || result === undefined) return []
  const each = [...receipts].map(([client, { update }]) => [client, update?.metrics ?? {}] as const)
  return [{ round: plan.round, mean: result.metrics, clients: new Map(each) }]
}

function curves(clients: readonly string[], rows: readonly Row[], subtitle: string): Curve[] {
  const names = [...new Set(rows.flatMap(({ mean }) => Object.keys(mean)))]
  const ordered = [
    ...names.filter((name) => name !== 'loss').sort(),
    ...names.filter((name) => name === 'loss'),
  ]
  return ordered.map((name) => ({
    title: name,
    subtitle,
    mean: points(rows, ({ mean }) => mean[name]),
    clients: clients.map((client) => ({
      client,
      points: points(rows, (row) => row.clients.get(client)?.[name]),
    })),
  }))
}

function points(rows: readonly Row[], value: (row: Row) => number | undefined): Point[] {
  return rows.flatMap((row) => {
    const found = value(row)
    return found === undefined ? [] : [{ round: row.round, value: found }]
  })
}
