// Converts a run's record to the report's facts. It reads the markers in the order of the rounds, and no payload. The caller's
// store bounds the length of a marker.
import { readRecord } from '#coordinator/record/markers.ts'
import { countedExamples } from '#coordinator/rounds/limits.ts'
import { outliersOf } from '#coordinator/rounds/outliers.ts'
import { attemptKeys, MANIFEST_KEY, RUN_KEY, resultKey } from '#protocol/keys.ts'
import {
  type Decision,
  firstRound,
  type Receipt,
  type Records,
  type RoundResult,
  type RunRecord,
} from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { sourceText } from '../render/lines.ts'
import type { AttemptRecord } from './attempt-record.ts'
import { curvesOf } from './curves.ts'
import type { AttemptFacts, RunFacts } from './facts.ts'
import { byteText } from './figures.ts'

export interface RecordOptions {
  /** The rounds in the job's spec. The user may change them during a run, so the record does not store them. */
  readonly rounds: number
  /** Why the run ended without a result. */
  readonly failure?: string
}

/** Reads the record in `store`; undefined before the run begins. Throws RecordDamaged. */
export async function gatherRunFacts(
  store: ObjectStore,
  options: RecordOptions,
): Promise<RunFacts | undefined> {
  const read: Read = async (kind, key) => (await readRecord(store, kind, key))?.value
  const run = await read('run', RUN_KEY)
  if (run === undefined) return undefined
  const attempts: AttemptRecord[] = []
  let first: RoundResult | undefined
  const begin = firstRound(run)
  for (let round = begin; ; round += 1) {
    const result = await read('result', resultKey(round))
    if (round === begin) first = result
    else attempts.push(...(await attemptsOf(read, round, result)))
    if (result === undefined) break
  }
  const complete = (await store.size(MANIFEST_KEY)) !== undefined
  const clients = [...new Set(attempts.flatMap(({ plan }) => plan.roster))]
  const trained = attempts.filter(({ plan, result }) => plan.kind === 'Train' && result !== undefined)
  const rounds = trained.at(-1)?.plan.round ?? begin
  return {
    job: run.name,
    ...stateOf(complete, rounds, options),
    about: about(run, { first, clients, rounds, wanted: options.rounds }),
    clients,
    curves: curvesOf(clients, attempts),
    attempts: attempts.map(attemptFacts),
  }
}

type Read = <K extends keyof Records>(kind: K, key: string) => Promise<Records[K] | undefined>

/** Attempt numbers have no gaps, so counting up finds all attempts. An attempt without a decision is still open. */
async function attemptsOf(
  read: Read,
  round: number,
  result: RoundResult | undefined,
): Promise<AttemptRecord[]> {
  const found: AttemptRecord[] = []
  for (let attempt = 1; ; attempt += 1) {
    const keys = attemptKeys(round, attempt)
    const plan = await read('plan', keys.plan)
    const decision = await read('decision', keys.decision)
    if (plan === undefined || decision === undefined) return found
    const receipts = new Map<string, Receipt>()
    const counted = decision.kind === 'Closed' ? decision.updates : []
    for (const { client, attempt: where } of counted) {
      const receipt = await read('receipt', attemptKeys(round, where).receipt(client))
      if (receipt !== undefined) receipts.set(client, receipt)
    }
    found.push({ plan, decision, receipts, result: result?.attempt === attempt ? result : undefined })
  }
}

function stateOf(
  complete: boolean,
  rounds: number,
  { rounds: wanted, failure }: RecordOptions,
): Pick<RunFacts, 'state' | 'message'> {
  if (failure !== undefined) return { state: 'Failed', message: failure }
  if (complete) return { state: 'Complete', message: '' }
  return {
    state: 'Unfinished',
    message: `It has ${rounds} of ${wanted} rounds; start it again to resume from there.`,
  }
}

interface AboutFacts {
  readonly first: RoundResult | undefined
  readonly clients: readonly string[]
  readonly rounds: number
  readonly wanted: number
}

function about(
  { spec, seed, base, resumedFrom }: RunRecord,
  facts: AboutFacts,
): (readonly [string, string])[] {
  const { trainer, strategy } = spec as {
    trainer: { type: string; segmentAnything?: Readonly<Record<string, unknown>> | null }
    strategy: { type: string }
  }
  const sam = trainer.segmentAnything
  const tensors = facts.first?.tensors ?? []
  const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  return [
    ['Rounds', facts.rounds === facts.wanted ? String(facts.rounds) : `${facts.rounds} of ${facts.wanted}`],
    ...(resumedFrom === undefined ? [] : [['Started from', sourceText(resumedFrom)] as const]),
    ['Clients', facts.clients.length > 8 ? String(facts.clients.length) : facts.clients.join(', ')],
    ['Strategy', strategy.type],
    ['Trainer', trainer.type],
    ...(base === null ? [] : [['Checkpoint', `${base.uri} (sha256 ${base.digest.slice(0, 12)})`] as const]),
    ...(sam == null
      ? []
      : [
          [
            'Local training',
            `${sam.epochs} epochs a round, batches of ${sam.batchSize}, ${sam.optimizer} ${sam.learningRate}, ${sam.loss} loss`,
          ] as const,
        ]),
    ...(facts.first === undefined
      ? []
      : [
          [
            'Exchanged',
            `${parameters.toLocaleString('en')} parameters in ${tensors.length} tensors, ${byteText(facts.first.model.size)} a model`,
          ] as const,
        ]),
    ['Seed', String(seed)],
  ]
}

function attemptFacts({ plan, decision, receipts, result }: AttemptRecord): AttemptFacts {
  const { round, attempt, kind } = plan
  const updates = decision.kind === 'Closed' ? decision.updates : []
  return {
    round,
    attempt,
    kind: kind === 'Evaluate' ? 'Evaluate' : 'Train',
    abandoned: abandonedText(decision, result),
    accepted: updates.map(({ client, numExamples }) => ({
      client,
      numExamples: countedExamples(plan.maxExamples, numExamples),
      bytes: receipts.get(client)?.update?.size ?? null,
    })),
    others: decision.outcomes.filter(({ outcome }) => outcome !== 'Accepted'),
    outliers: decision.kind === 'Closed' ? outliersOf(decision) : [],
    limited: decision.outcomes.filter(({ outcome, reason }) => outcome === 'Accepted' && reason !== ''),
    notEvaluated: decision.kind === 'Closed' ? decision.notEvaluated : [],
    metrics: result?.metrics ?? {},
    seconds: result?.timings.attemptSeconds ?? null,
  }
}

function abandonedText(decision: Decision, result: RoundResult | undefined): string {
  if (decision.kind === 'Abandoned') return `${decision.reason}: ${decision.message}`
  return result === undefined ? 'closed, but not aggregated' : ''
}
