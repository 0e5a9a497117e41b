// A run's events as lines for people: one short sentence each, the same in a terminal and in a pipe. Pure.
import type { RunEvent } from '#protocol/events.ts'
import type { Evaluation } from '#protocol/record.ts'

/** The line of an event; undefined for events that only machines want. */
export function eventLine(event: RunEvent, rounds: number): string | undefined {
  switch (event.event) {
    case 'RunStarted':
      return event.completed === 0
        ? `${event.name}: ${event.rounds} rounds`
        : `${event.name}: goes on after round ${event.completed} of ${event.rounds} (coordinator ${event.epoch})`
    case 'ClientJoined':
      return `${event.client} joined${event.backend === '' ? '' : ` (${event.backend})`}`
    case 'Waiting':
      return `round ${event.round}: waiting for ${event.missing.join(', ')} (${event.available.length} of ${event.needed} needed are there)`
    case 'AttemptOpened':
      return openedLine(event)
    case 'Progress':
      return undefined
    case 'UpdateAdmitted':
      return undefined
    case 'UpdateRejected':
      return `round ${event.round}: the update of ${event.client} was rejected: ${event.reason}: ${event.message}`
    case 'ClientFailed':
      return `round ${event.round}: ${event.client} failed: ${event.reason}: ${event.message}`
    case 'AttemptAbandoned':
      return `round ${event.round}, attempt ${event.attempt} abandoned: ${event.reason}: ${event.message}`
    case 'RoundCompleted':
      return roundLine(event, rounds)
    case 'RunCompleted':
      return `complete after ${event.rounds} rounds${event.evaluation === null ? '' : `: ${evaluationText(event.evaluation)}`}`
    case 'RunFailed':
      return `failed: ${event.message}`
  }
}

function openedLine(event: Extract<RunEvent, { event: 'AttemptOpened' }>): string | undefined {
  if (event.attempt === 1 && event.kind === 'Train') return undefined
  const what = { Train: 'trains', Evaluate: 'evaluates', Initialise: 'gives the initial parameters' }[
    event.kind
  ]
  const who = event.kind === 'Evaluate' ? event.evaluators : event.cohort
  return `round ${event.round}${event.attempt > 1 ? `, attempt ${event.attempt}` : ''}: ${who.join(', ')} ${what}`
}

function roundLine(event: Extract<RunEvent, { event: 'RoundCompleted' }>, rounds: number): string {
  const evaluated =
    event.evaluation === null ? '' : `model of round ${event.round - 1}: ${evaluationText(event.evaluation)}`
  if (event.round > rounds || event.accepted.length === 0) return evaluated
  const lost = event.outcomes.filter(({ outcome }) => outcome !== 'Accepted' && outcome !== 'NotSelected')
  const without =
    lost.length === 0
      ? ''
      : `, without ${lost.map(({ client, outcome }) => `${client} (${outcome})`).join(', ')}`
  const training = Object.entries(event.metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`)
  return [
    `round ${String(event.round).padStart(String(rounds).length)}/${rounds}`,
    `${event.accepted.length} updates${without}`,
    ...training,
    evaluated,
    `${event.seconds.toFixed(1)} s`,
  ]
    .filter((part) => part !== '')
    .join('  ')
}

export function evaluationText({ loss, metrics }: Evaluation): string {
  return [
    `loss ${loss.toFixed(4)}`,
    ...Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`),
  ].join(', ')
}
