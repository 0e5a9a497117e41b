// News of a run as its coordinator reports it: three clients, of which c is missing.
import type { StatusEvent } from '#coordinator/reporting/status.ts'
import type { ClientOutcome } from '#protocol/record.ts'

export const SHA = 'a'.repeat(64)

export const gone = (client: string, message = ''): ClientOutcome => ({
  client,
  outcome: 'Unreachable',
  reason: message === '' ? 'NotHeard' : 'Preparing',
  message,
})
export const started = (change: object = {}): StatusEvent => ({
  event: 'RunStarted',
  name: 'brain',
  epoch: 1,
  rounds: 3,
  completed: 0,
  roster: ['a', 'b', 'c'],
  head: null,
  best: null,
  newest: [],
  ...change,
})
export const waiting = (available: string[], absent: ClientOutcome[], change: object = {}): StatusEvent => ({
  event: 'Waiting',
  round: 1,
  attempt: 1,
  kind: 'Train',
  roster: ['a', 'b', 'c'],
  available,
  absent,
  needed: 2,
  missing: absent.map(({ client }) => client),
  ...change,
})
export const opened = (round: number, change: object = {}): StatusEvent => ({
  event: 'AttemptOpened',
  round,
  attempt: 1,
  kind: 'Train',
  roster: ['a', 'b', 'c'],
  cohort: ['a', 'b'],
  evaluators: [],
  absent: [gone('c')],
  ...change,
})
export const admitted = (round: number, client: string): StatusEvent => ({
  event: 'UpdateAdmitted',
  round,
  client,
  numExamples: 3,
  bytes: 100,
})
export const completed = (round: number, change: object = {}): StatusEvent => ({
  event: 'RoundCompleted',
  round,
  attempt: 1,
  kind: 'Train',
  cohort: ['a', 'b'],
  accepted: ['a', 'b'],
  outcomes: [gone('c')],
  evaluation: null,
  evaluations: [],
  notEvaluated: [],
  outliers: [],
  metrics: {},
  seconds: 4,
  head: SHA,
  best: null,
  sentBytes: 200,
  ...change,
})
export const abandoned = (change: object = {}): StatusEvent => ({
  event: 'AttemptAbandoned',
  round: 1,
  attempt: 1,
  kind: 'Train',
  reason: 'QuorumNotReached',
  message: 'why',
  outcomes: [gone('b')],
  pauseSeconds: 0,
  ...change,
})
export const over: StatusEvent = {
  event: 'RunCompleted',
  rounds: 3,
  output: 'output/manifest.json',
  evaluation: null,
  round: 2,
  digest: SHA,
  head: SHA,
}
