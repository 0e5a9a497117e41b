// What the markers of one round must say about each other, about the round before and about their receipts. The digests only prove
// that nothing changed since the coordinator wrote. These checks find a coordinator that wrote markers which contradict each other.
// Pure: verify.ts reads the markers.
import { canonicalJson } from '#protocol/canonical.ts'
import type { KeptState } from '#protocol/client-state.ts'
import { attemptKeys, resultKey } from '#protocol/keys.ts'
import type { ClosedDecision, Plan, Receipt, RoundResult, RunRecord } from '#protocol/record.ts'
import { meanEvaluation, meanMetrics } from '../aggregation/evaluation.ts'
import { countedExamples } from '../rounds/limits.ts'
import { bestRound, type Evaluated, type StoppingRule, stoppingRule } from '../rounds/stopping.ts'
import type { Marked } from './markers.ts'

/** One result of the chain with its plan and decision; null where the result names none, or where the marker is damaged. */
export interface Link {
  readonly result: Marked<RoundResult>
  readonly plan: Plan | null
  readonly decision: ClosedDecision | null
  /** The clients' states after it; empty where only the chain is verified. */
  readonly states: readonly KeptState[]
}

/** A link whose states are not read yet. */
export type Unstated = Omit<Link, 'states'>

/** The links of a chain up to a round, and the run that they belong to. */
export interface Before {
  readonly run: RunRecord | undefined
  readonly links: readonly Link[]
}

/** A rule, and the sentence of a record that breaks it. */
type Rule = readonly [holds: boolean, sentence: string]

/** Equal as JSON. False for what JSON cannot hold: a marker of a hostile writer may hold 1e999, which is read as infinity. */
function same(a: unknown, b: unknown): boolean {
  try {
    return canonicalJson(a) === canonicalJson(b)
  } catch {
    return false
  }
}
const broken = (rules: readonly Rule[]): string[] =>
  rules.flatMap(([holds, sentence]) => (holds ? [] : [sentence]))

/** The evaluations in the decisions of a chain: the decision of round N has that of model N - 1. */
export function historyOf(links: readonly Pick<Link, 'decision'>[]): Evaluated[] {
  return links.flatMap(({ decision }) =>
    decision === null || decision.evaluation === null
      ? []
      : [{ round: decision.round - 1, evaluation: decision.evaluation }],
  )
}

/** The rule of spec.evaluation in run.json, by which rounds are ranked. */
export function ruleOf(run: RunRecord | undefined): StoppingRule {
  return stoppingRule(run?.spec.evaluation as Parameters<typeof stoppingRule>[0])
}

/** Contradictions between the markers of a round and the rounds before it. */
export function roundProblems(before: Before, link: Unstated): string[] {
  const previous = before.links.at(-1)
  return [
    ...(previous === undefined ? firstProblems(link) : laterProblems(previous, link)),
    ...planProblems(before, link),
    ...decisionProblems(before, link),
  ]
}

function firstProblems({ result: { value } }: Unstated): string[] {
  const key = resultKey(value.round)
  return broken([[value.origin !== null, `${key} is the first result and names no origin of its model`]])
}

function laterProblems(previous: Link, { result: { value }, plan }: Unstated): string[] {
  const { round, attempt } = value
  const key = resultKey(round)
  const keys = attemptKeys(round, attempt)
  const evaluates = plan?.kind === 'Evaluate'
  const last = previous.result.value
  return broken([
    [value.plan !== null && value.decision !== null, `${key} names no plan or no decision`],
    [value.origin === null, `${key} names an origin of its model; only the first result has one`],
    [previous.plan?.kind !== 'Evaluate', `${key} follows the evaluation of the last model`],
    [plan?.kind !== 'Initialise', `${keys.plan} asks for initial parameters, which the run has already`],
    [same(value.tensors, last.tensors), `${key} names other tensors than the result before it`],
    [!evaluates || same(value.model, last.model), `${key} only evaluates, and names another model`],
    [evaluates || value.model.key === keys.model, `${key} names a model of another attempt or round`],
    [evaluates || (value.state?.key ?? keys.state) === keys.state, `${key} names a state of another round`],
  ])
}

/** The model of round N - 1, as the plan of round N must name it. */
function baseOf(previous: Link | undefined): Plan['base'] {
  if (previous === undefined) return null
  const { round, model } = previous.result.value
  return { round, payload: model }
}

function planProblems({ run, links }: Before, { result: { value }, plan }: Unstated): string[] {
  if (plan === null) return []
  const { round, attempt } = value
  const { plan: key } = attemptKeys(round, attempt)
  const strategy = run?.spec.strategy
  return broken([
    [plan.round === round && plan.attempt === attempt, `${key} is the plan of another round or attempt`],
    [same(plan.base, baseOf(links.at(-1))), `${key} starts from another model than the round before made`],
    [strategy === undefined || same(plan.strategy, strategy), `${key} names another strategy than run.json`],
  ])
}

function decisionProblems({ run, links }: Before, { result: { value }, plan, decision }: Unstated): string[] {
  if (decision === null) return []
  const { round, attempt } = value
  const { decision: key } = attemptKeys(round, attempt)
  const { updates, evaluations, evaluation } = decision
  const best = bestRound(ruleOf(run), historyOf([...links, { decision }]))
  const counts = (numExamples: number): number => countedExamples(plan?.maxExamples ?? null, numExamples)
  const mean = meanEvaluation(evaluations, counts)
  return broken([
    [
      decision.round === round && decision.attempt === attempt,
      `${key} is the decision of another round or attempt`,
    ],
    [inOrder(updates), `${key} names an update twice, or out of order`],
    [
      decision.clipNorm === null || updates.every(({ norm }) => norm !== null),
      `${key} clips an update, and names no norm of it`,
    ],
    [inOrder(evaluations), `${key} names an evaluation twice, or out of order`],
    [same(evaluation, mean), `${key} names another mean evaluation than its evaluations give`],
    [same(decision.best, best), `${key} names another best round than the evaluations give`],
    ...(plan === null ? [] : participantRules(key, plan, decision)),
  ])
}

function inOrder(entries: readonly { readonly client: string }[]): boolean {
  return entries.every(({ client }, i) => i === 0 || entries[i - 1]!.client < client)
}

function participantRules(
  key: string,
  plan: Plan,
  { updates, evaluations, outcomes }: ClosedDecision,
): Rule[] {
  const counted = updates.map(({ client }) => client)
  const accepted = outcomes.filter(({ outcome }) => outcome === 'Accepted').map(({ client }) => client)
  const foreign = counted.find((client) => !plan.cohort.includes(client))
  const measured = evaluations.find(({ client }) => !plan.evaluators.includes(client))?.client
  const dropped = accepted.find((client) => !counted.includes(client))
  const unnamed = counted.find((client) => !accepted.includes(client))
  const unsettled = plan.roster.find((name) => !outcomes.some(({ client }) => client === name))
  const fewest = plan.kind === 'Evaluate' ? 0 : plan.quorum
  return [
    [foreign === undefined, `${key} counts an update of ${foreign}, which is not in the plan's cohort`],
    [measured === undefined, `${key} counts an evaluation of ${measured}, which the plan did not ask`],
    [dropped === undefined, `${key} accepts the update of ${dropped}, and does not count it`],
    [unnamed === undefined, `${key} counts the update of ${unnamed}, whose outcome is not Accepted`],
    [unsettled === undefined, `${key} names no outcome of ${unsettled}`],
    [counted.length >= fewest, `${key} counts ${counted.length} updates; the plan's quorum is ${fewest}`],
  ]
}

/** A receipt with the entry of the decision that names it. */
export interface CountedUpdate {
  readonly entry: ClosedDecision['updates'][number]
  readonly receipt: Receipt
}

/** Contradictions between a decision and the receipts of the updates that it counts. */
export function updateProblems(
  { result: { value }, plan }: Unstated,
  counted: readonly CountedUpdate[],
): string[] {
  const { round } = value
  const base = plan?.base?.payload.sha256 ?? null
  const rules = counted.flatMap(({ entry, receipt }): Rule[] => {
    const { client, attempt, numExamples } = entry
    const key = attemptKeys(round, attempt).receipt(client)
    const own = receipt.client === client && receipt.round === round && receipt.attempt === attempt
    return [
      [attempt >= 1 && attempt <= value.attempt, `${key} is of an attempt after the one that closed`],
      [own, `${key} is the receipt of another client, round or attempt`],
      [receipt.base === base, `${key} started from another model than the plan names`],
      [receipt.update !== null, `${key} names no update`],
      [numExamples >= 1, `${key} counts with ${numExamples} examples`],
      [
        receipt.update === null || receipt.update.numExamples === numExamples,
        `${key} states ${receipt.update?.numExamples} examples; the decision counts ${numExamples}`,
      ],
    ]
  })
  const metrics = meanMetrics(
    counted.map(({ entry, receipt }) => ({
      numExamples: countedExamples(plan?.maxExamples ?? null, entry.numExamples),
      metrics: receipt.update?.metrics ?? {},
    })),
  )
  const trains = plan?.kind === 'Train'
  return broken([
    ...rules,
    [
      !trains || same(value.metrics, metrics),
      `${resultKey(round)} names other training metrics than the updates give`,
    ],
  ])
}

/** Whether the receipt of an evaluation states what the decision counts. */
export function evaluationProblems(
  { round, base }: { readonly round: number; readonly base: string | null },
  { client, receipt: _, ...counted }: ClosedDecision['evaluations'][number],
  receipt: Receipt,
): string[] {
  const own = receipt.client === client && receipt.round === round
  return broken([
    [own, `round ${round}: the evaluation by ${client} has the receipt of another client or round`],
    [
      receipt.base === base,
      `round ${round}: the evaluation by ${client} is of another model than the plan names`,
    ],
    [
      same(receipt.evaluation, counted),
      `round ${round}: the decision counts another evaluation by ${client} than its receipt states`,
    ],
  ])
}
