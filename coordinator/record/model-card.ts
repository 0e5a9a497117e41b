// Writes the model card of the output from the record alone: what was trained, from which checkpoint, for how many rounds, and its
// evaluation. Names that clients chose are escaped, so that the card shows them and does not interpret them. Verification derives the
// card again, so its text belongs to the record's format: another text needs another schema of the manifest.
import type { ProgramResult } from '#protocol/exchange.ts'
import type { Evaluation, RoundResult, RunRecord } from '#protocol/record.ts'
import type { Evaluated } from '../rounds/stopping.ts'
import type { Marked } from './markers.ts'
import { wholeBase } from './whole-checkpoint.ts'

export interface CardFacts {
  readonly run: RunRecord
  readonly chosen: RoundResult
  readonly evaluation: Evaluation | null
  readonly results: readonly Marked<RoundResult>[]
  readonly history: readonly Evaluated[]
}

const figure = (value: number): string => value.toFixed(4)

/** Characters of a metric's name that the card shows. */
const LONGEST_NAME = 60
/** Characters of another record's prefix that the card shows: the longest prefix that a job may name. */
const LONGEST_PREFIX = 1024

/**
 * A name that a client or a user chose, as Markdown that only shows it: on one line, with every character of markup escaped, and
 * without control characters.
 */
export function markdownText(name: string, longest = LONGEST_NAME): string {
  return name
    .slice(0, longest)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[!-/:-@[-`{-~]/g, (character) => (/[-._/%]/.test(character) ? character : `\\${character}`))
}

/** Text as a scalar of YAML on one line. A JSON string is one; the usual addresses need no quotes. */
function yamlText(text: string): string {
  return /^[a-z0-9](:(?! )|[\w./@+-])*$/i.test(text) ? text : JSON.stringify(text)
}

/** An address as code, where nothing in it ends the code. */
function codeText(text: string): string {
  return /^[^`\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u.test(text) ? `\`${text}\`` : markdownText(text, LONGEST_PREFIX)
}

/** The source of a run that started from another run's round. */
function startText({ resumedFrom }: RunRecord): string[] {
  if (resumedFrom === undefined) return []
  const { round, name, prefix, result } = resumedFrom
  return [
    `They started from the model of round ${round} of run ${name}, whose record was at ${markdownText(prefix, LONGEST_PREFIX)} (result sha256 ${result}).`,
  ]
}

/** Markdown with the front matter that model hubs read. */
export function modelCard({ run, chosen, evaluation, results, history }: CardFacts): string {
  const metrics = evaluation === null ? [] : Object.entries(evaluation.metrics)
  const elements = chosen.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  return [
    '---',
    'library_name: fedsam',
    ...(run.base === null ? [] : [`base_model: ${yamlText(run.base.uri)}`]),
    'tags: [federated-learning]',
    '---',
    `# ${run.name}`,
    '',
    `Trained by federated rounds: ${results.length - 1} rounds were run. This is the model of round ${chosen.round}.`,
    ...startText(run),
    'The data never left its partitions; only parameters travelled.',
    '',
    '## Contents',
    `\`model.safetensors\` holds ${chosen.tensors.length} trained tensors with ${elements} parameters.`,
    ...(run.base === null
      ? []
      : [
          `They replace the tensors of the same names in ${codeText(run.base.uri)} (pinned as sha256 ${run.base.digest}).`,
          wholeBase(run) === null
            ? '`fedsam export` writes the complete checkpoint.'
            : '`checkpoint/` holds the complete checkpoint, which Hugging Face opens.',
        ]),
    '',
    '## Evaluation',
    ...(evaluation === null
      ? ['No client evaluated this model.']
      : [
          `On the held-out data of the partitions, as a mean weighted by examples (${evaluation.numExamples}):`,
          `loss ${figure(evaluation.loss)}${metrics.map(([name, value]) => `, ${markdownText(name)} ${figure(value)}`).join('')}.`,
        ]),
    '',
    '| round | loss | metrics |',
    '| --- | --- | --- |',
    ...history.map(
      ({ round, evaluation: of }) =>
        `| ${round} | ${figure(of.loss)} | ${Object.entries(of.metrics)
          .map(([name, value]) => `${markdownText(name)} ${figure(value)}`)
          .join(', ')} |`,
    ),
    '',
    '## Provenance',
    '`provenance.json` names every round by the digest of its result. The digests form a hash chain over plans, decisions and models.',
    '',
  ].join('\n')
}

/** The card of a Program run's output. */
export function programCard(
  run: RunRecord,
  { exchanges, round, model, metrics, files }: ProgramResult,
): string {
  const measured = Object.entries(metrics).map(
    ([name, value]) =>
      `| ${markdownText(name)} | ${value === 0 || Math.abs(value) >= 1e-4 ? figure(value) : value} |`,
  )
  return [
    '---',
    'library_name: fedsam',
    'tags: [federated-learning]',
    '---',
    `# ${run.name}`,
    '',
    `A Program run: a program of the user's own chose the messages to the clients, in ${exchanges} exchanges${round === null ? '' : ` and ${round} rounds of its own`}.`,
    'FedSAM did not read the contents of the messages. The data never left its partitions; only these messages travelled.',
    '',
    '## Contents',
    model === null
      ? 'The program left no model.'
      : `\`model.safetensors\` is the program's model: ${model.size} bytes (sha256 ${model.sha256}).`,
    ...files.map(({ name, size, sha256 }) => `\`${name}\`: ${size} bytes (sha256 ${sha256}).`),
    '',
    '## Metrics',
    ...(measured.length === 0
      ? ['The program reported none.']
      : ['As the program reported them:', '', '| metric | value |', '| --- | --- |', ...measured]),
    '',
    '## Provenance',
    '`provenance.json` names every exchange by the digests of what was asked and what was decided. The digests form a hash chain.',
    '',
  ].join('\n')
}
