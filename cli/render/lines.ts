// Converts a run's events to lines of text: one short sentence each, the same in a terminal and in a pipe, and the present
// activity for the live line below them. Reads no clock and prints nothing.
import type { RunEvent } from '#protocol/events.ts'
import { outlierText } from '#protocol/outliers.ts'
import type { ClientOutcome, Evaluation, NotEvaluated, RunRecord } from '#protocol/record.ts'
import { counted, listed } from '#protocol/text.ts'
import type { EventText } from './event-text.ts'
import { completedProgram, programText, startedProgram } from './program-lines.ts'

export type { EventText } from './event-text.ts'

type Of<K extends RunEvent['event']> = Extract<RunEvent, { event: K }>

/** Converts the events of one run to text, in their order. A missing client is reported only after it was available before. */
export function createEventLines(rounds: number): (event: RunEvent) => EventText {
  let started = false
  let awaited = ''
  const metricNews = createMetricNews()
  const working = new Map<string, string>()
  return (event) => {
    switch (event.event) {
      case 'RunStarted':
        return { said: startedLine(event) }
      case 'ClientJoined':
        return { said: `${event.client} joined${event.backend === '' ? '' : ` (${event.backend})`}` }
      case 'ClientRefused':
        return { said: `${event.client} was refused: ${event.message}` }
      case 'SiteConnection':
        return siteText(event)
      case 'AnswersIgnored':
        return {
          said: `${event.client} ignored ${counted(event.count, 'answer')} that no coordinator of this run signed: somebody else answers on the bus`,
        }
      case 'Waiting': {
        // Only the text of a client's preparation changed: print no line.
        const { said, live } = waitingText(event, started)
        const news = said !== awaited && said !== undefined ? { said } : {}
        awaited = said ?? awaited
        return { ...news, ...(live === undefined ? {} : { live }) }
      }
      case 'AttemptOpened':
        started = true
        awaited = ''
        working.clear()
        return openedText(event)
      case 'Progress':
        working.set(event.client, progressText(event))
        return { live: `round ${event.round}: ${[...working.values()].sort().join(', ')}` }
      case 'UpdateAdmitted':
        working.set(event.client, `${event.client} done`)
        return {}
      case 'UpdateRejected':
        return {
          said: `round ${event.round}: the update of ${event.client} was rejected: ${event.reason}: ${event.message}`,
        }
      case 'ClientFailed':
        return { said: `round ${event.round}: ${event.client} failed: ${event.reason}: ${event.message}` }
      case 'EvaluationFailed':
        return {
          said: `round ${event.round}: the evaluation of ${event.client} failed: ${event.reason}: ${event.message}`,
        }
      case 'AttemptAbandoned':
        return {
          said: `round ${event.round}, attempt ${event.attempt} abandoned: ${event.reason}: ${event.message}`,
        }
      case 'Initialised':
        return initialisedText(event)
      case 'Advice':
        return { said: `note: ${event.message}` }
      case 'RoundCompleted':
        return roundText(event, rounds)
      case 'ExchangeOpened':
        started = true
        awaited = ''
        working.clear()
        return programText(event)
      case 'ProgramStarted':
      case 'ProgramRound':
      case 'ReplayRounded':
      case 'ExchangeCompleted':
        return programText(event)
      case 'RunCompleted':
        return { said: completedLine(event), live: '' }
      case 'MetricMissing':
        return metricNews(event)
      case 'RunFailed':
        return { said: `failed: ${event.message}`, live: '' }
    }
  }
}

/** A site that connects has joined, too, and has a line for that. */
function siteText({ client, connected }: Of<'SiteConnection'>): EventText {
  return connected ? {} : { said: `the site ${client} is not connected` }
}

/** A total of 0 means that the trainer does not report its progress. */
function progressText({ client, done, total }: Of<'Progress'>): string {
  return total === 0 ? client : `${client} ${done}/${total}`
}

function startedLine(event: Of<'RunStarted'>): string {
  if (event.program === true) return startedProgram(event)
  if (event.completed === 0) return `${event.name}: ${counted(event.rounds, 'round')}`
  return `${event.name}: resumes after round ${event.completed} of ${event.rounds} (coordinator ${event.epoch})`
}

function completedLine({ rounds, evaluation, program }: Of<'RunCompleted'>): string {
  if (program !== undefined) return completedProgram(rounds, program.metrics)
  const measured = evaluation === null ? 'the model was not evaluated' : evaluationText(evaluation)
  return `complete after ${counted(rounds, 'round')}: ${measured}`
}

function waitingText(
  { round, available, missing, absent, needed }: Of<'Waiting'>,
  started: boolean,
): EventText {
  const named = absent.map(({ client, message }) => (message === '' ? client : `${client} (${message})`))
  const live = `waiting for ${named.join(', ')}`
  if (started) {
    const there = `${available.length} available, at least ${needed} needed`
    return { said: `round ${round}: waiting for ${missing.join(', ')} (${there})`, live }
  }
  return available.length === 0 ? { said: `starting ${missing.join(', ')}`, live } : { live }
}

function openedText({ kind, round, attempt, cohort, evaluators }: Of<'AttemptOpened'>): EventText {
  const again = attempt === 1 ? '' : `, attempt ${attempt}`
  switch (kind) {
    case 'Initialise':
      return { said: `round ${round}${again}: the initial parameters come from ${cohort.join(', ')}` }
    case 'Evaluate':
      return { live: `evaluating the last model: ${evaluators.join(', ')}` }
    case 'Train':
      return {
        live: `round ${round}: ${cohort.join(', ')}`,
        ...(attempt === 1 ? {} : { said: `round ${round}${again}: ${cohort.join(', ')}` }),
      }
  }
}

/** Reports a missing metric once, and again when other clients do not report it. */
function createMetricNews(): (event: Of<'MetricMissing'>) => EventText {
  const last = new Map<string, string>()
  return ({ round, metric, fields, without, reported }) => {
    const why =
      reported.length === 0
        ? 'no client evaluated it'
        : `${without.join(', ')} did not report ${metric}, which counts only where every client does`
    if (last.get(metric) === why) return {}
    last.set(metric, why)
    return { said: `model of round ${round}: ${why}; ${fields.join(' and ')} cannot use it` }
  }
}

const STATE_TEXTS = {
  Carried: "; the server optimizer's state goes on",
  Fresh: "; the server optimizer's state begins at 0",
  None: '',
} as const

/** The round of another run that a run starts from. */
export function sourceText({ round, prefix, name, result }: NonNullable<RunRecord['resumedFrom']>): string {
  return `the model of round ${round} of ${name} in ${prefix} (result sha256:${result.slice(0, 12)})`
}

/** The same, and what becomes of the server optimizer's state. */
export function resumedText(from: NonNullable<Of<'Initialised'>['resumed']>): string {
  return sourceText(from) + STATE_TEXTS[from.state]
}

/** Where a resumed run starts, and which tensors the run converts. */
function initialisedText({ narrow, resumed }: Of<'Initialised'>): EventText {
  if (resumed !== null) return { said: `starts from ${resumedText(resumed)}` }
  const kinds = Object.entries(narrow).sort()
  if (kinds.length === 0) return {}
  const came = kinds.map(([dtype, count]) => `${counted(count, 'tensor')} in ${dtype}`).join(', ')
  return {
    said: `round 0: ${came} become float32 in this run; with 16 bits, the rounding of each round would lose what training learned`,
  }
}

function roundText(event: Of<'RoundCompleted'>, rounds: number): EventText {
  const { round, accepted, outcomes, metrics, seconds } = event
  const measured = measuredText(event)
  const far = outliersText(event)
  if (accepted.length === 0) {
    const said = [measured, far].filter((part) => part !== '').join('\n')
    return said === '' ? {} : { said, live: '' }
  }
  const parts = [
    `round ${String(round).padStart(String(rounds).length)}/${rounds}`,
    `${counted(accepted.length, 'update')}${limitedText(outcomes)}${withoutText(outcomes)}`,
    ...Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`),
    `${seconds.toFixed(1)} s`,
    measured,
  ]
  const line = parts.filter((part) => part !== '').join('  ')
  return { said: far === '' ? line : `${line}\n${far}`, live: '' }
}

/** One line that names the outliers; they count all the same. */
function outliersText({ round, outliers }: Of<'RoundCompleted'>): string {
  if (outliers.length === 0) return ''
  const named = outliers.map((outlier) => `${outlier.client}: ${outlierText(outlier)}`)
  return `note: round ${round}: far from the others, check these clients: ${listed(named, NAMED, '; ')}`
}

/** A round evaluates the model that it starts from. Empty where no client was asked to evaluate. */
function measuredText({ round, evaluation, evaluations, notEvaluated }: Of<'RoundCompleted'>): string {
  const model = `model of round ${round - 1}`
  if (evaluation === null)
    return notEvaluated.length === 0 ? '' : `${model}: no client evaluated it${lackingText(notEvaluated)}`
  const asked = evaluations.length + notEvaluated.length
  const share = notEvaluated.length === 0 ? '' : `, by ${evaluations.length} of ${asked} clients`
  return `${model}, held-out${share}: ${evaluationText(evaluation)}${lackingText(notEvaluated)}`
}

/** Most names in one line. */
const NAMED = 10

function lackingText(notEvaluated: readonly NotEvaluated[]): string {
  if (notEvaluated.length === 0) return ''
  const names = notEvaluated.map(({ client, outcome }) => `${client}: ${outcome}`)
  return ` (${listed(names, NAMED)})`
}

/** Clients whose update counts for less than they sent. */
function limitedText(outcomes: readonly ClientOutcome[]): string {
  const limited = outcomes.filter(({ outcome, reason }) => outcome === 'Accepted' && reason !== '')
  if (limited.length === 0) return ''
  return ` (limited: ${listed(
    limited.map(({ client }) => client),
    NAMED,
  )})`
}

function withoutText(outcomes: readonly ClientOutcome[]): string {
  const lost = outcomes.filter(({ outcome }) => outcome !== 'Accepted' && outcome !== 'NotSelected')
  if (lost.length === 0) return ''
  return `, without ${lost.map(({ client, outcome }) => `${client} (${outcome})`).join(', ')}`
}

function evaluationText({ loss, metrics }: Evaluation): string {
  const each = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`)
  return [`loss ${loss.toFixed(4)}`, ...each].join(', ')
}
