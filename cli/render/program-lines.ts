// Converts the events of a Program run to lines of text: the lives of its program, and its exchanges. Reads no clock and prints nothing.
import type { RunEvent } from '#protocol/events.ts'
import { counted, listed } from '#protocol/text.ts'
import type { EventText } from './event-text.ts'

type Of<K extends RunEvent['event']> = Extract<RunEvent, { event: K }>

/** Most names in one line. */
const NAMED = 10

export function programText(
  event: Of<'ProgramStarted' | 'ProgramRound' | 'ReplayRounded' | 'ExchangeOpened' | 'ExchangeCompleted'>,
): EventText {
  switch (event.event) {
    case 'ProgramStarted':
      return lifeText(event)
    case 'ProgramRound':
      return { live: `after exchange ${event.exchange}${roundText(event)}` }
    case 'ReplayRounded':
      return {
        said: `exchange ${event.exchange}: the program now rounds otherwise than before; the messages of the record count`,
      }
    case 'ExchangeOpened':
      return { live: `exchange ${event.exchange}${roundText(event)}: ${listed(event.clients, NAMED)}` }
    case 'ExchangeCompleted':
      return exchangeText(event)
  }
}

/** The program's own count. */
function roundText({ round, of }: { readonly round: number | null; readonly of: number | null }): string {
  if (round === null) return ''
  return of === null ? `, round ${round} of the program` : `, round ${round} of ${of} of the program`
}

/** The first life of a program of a new run needs no line. */
function lifeText({ recorded, why }: Of<'ProgramStarted'>): EventText {
  const again = recorded === 0 ? '' : `the program repeats ${counted(recorded, 'exchange')} of the record`
  if (why === '') return again === '' ? {} : { said: again }
  return { said: `the program starts again: ${why}${again === '' ? '' : `; ${again}`}` }
}

function exchangeText({ exchange, replies, errors, outcomes, seconds }: Of<'ExchangeCompleted'>): EventText {
  const lost = outcomes.map(({ client, outcome }) => `${client}: ${outcome}`)
  const parts = [
    `exchange ${exchange}`,
    replies === 1 ? '1 reply' : `${replies} replies`,
    ...(errors === 0 ? [] : [`${counted(errors, 'error')} among them`]),
    ...(lost.length === 0 ? [] : [`without ${listed(lost, NAMED)}`]),
    `${seconds.toFixed(1)} s`,
  ]
  return { said: parts.join('  '), live: '' }
}

export function startedProgram({ name, epoch, completed }: Of<'RunStarted'>): string {
  return completed === 0
    ? `${name}: a program sends the messages`
    : `${name}: resumes after exchange ${completed} (coordinator ${epoch})`
}

export function completedProgram(exchanges: number, metrics: Readonly<Record<string, number>>): string {
  const each = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`)
  return `complete after ${counted(exchanges, 'exchange')}${each.length === 0 ? '' : `: ${each.join(', ')}`}`
}
