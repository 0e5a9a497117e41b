// The lines of a Program run in a terminal.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '#protocol/events.ts'
import { createEventLines } from './lines.ts'

const said = (...events: readonly RunEvent[]): (string | undefined)[] => {
  const lines = createEventLines(10)
  return events.map((event) => {
    const { said: line, live } = lines(event)
    return line ?? (live === '' ? undefined : live)
  })
}

test('a run from its beginning', () => {
  const started = {
    event: 'RunStarted',
    program: true,
    ...{ name: 'app', epoch: 2, rounds: 0, roster: ['a'], head: null, best: null, newest: [] },
  } as const
  const about = { exchange: 1, replies: 2, seconds: 1.25, head: '' } as const
  assert.deepEqual(
    said(
      { ...started, completed: 0 },
      { ...started, completed: 4 },
      { event: 'ProgramStarted', life: 1, recorded: 0, why: '' },
      { event: 'ProgramStarted', life: 2, recorded: 4, why: 'it was ended by SIGKILL' },
      { event: 'ProgramRound', exchange: 0, round: 1, of: 3 },
      { event: 'ExchangeOpened', exchange: 1, round: 1, of: null, messages: 2, clients: ['a', 'b'] },
      { event: 'ExchangeCompleted', ...about, errors: 0, outcomes: [] },
      {
        event: 'ExchangeCompleted',
        ...about,
        ...{ replies: 1, errors: 1 },
        outcomes: [{ client: 'b', outcome: 'Late', reason: '', message: '' }],
      },
    ),
    [
      'app: a program sends the messages',
      'app: resumes after exchange 4 (coordinator 2)',
      undefined,
      'the program starts again: it was ended by SIGKILL; the program repeats 4 exchanges of the record',
      'after exchange 0, round 1 of 3 of the program',
      'exchange 1, round 1 of the program: a, b',
      'exchange 1  2 replies  1.3 s',
      'exchange 1  1 reply  1 error among them  without b: Late  1.3 s',
    ],
  )
})
