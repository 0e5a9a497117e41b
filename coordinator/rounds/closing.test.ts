import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ClosingInput, decideClosing, type Standing } from './closing.ts'

const [P, A, S]: Standing[] = ['Pending', 'Admitted', 'Settled'] as const as unknown as Standing[]
const INPUT: ClosingInput = {
  cohort: [P!, P!, P!],
  evaluators: [],
  quorum: 2,
  deadlineSeconds: 100,
  graceSeconds: null,
  elapsed: 0,
  sinceQuorum: null,
}

const CASES: readonly [string, Partial<ClosingInput>, ReturnType<typeof decideClosing>][] = [
  ['waits for every client until the deadline', { elapsed: 40 }, { kind: 'Wait', seconds: 60 }],
  ['closes when all are in', { cohort: [A!, A!, A!] }, { kind: 'Close' }],
  [
    'closes when no more updates can arrive and the quorum is reached',
    { cohort: [A!, S!, A!] },
    { kind: 'Close' },
  ],
  [
    'continues after the quorum where there is no grace',
    { cohort: [A!, A!, P!], sinceQuorum: 50, elapsed: 60 },
    { kind: 'Wait', seconds: 40 },
  ],
  ['closes at the deadline with the quorum', { cohort: [A!, A!, P!], elapsed: 100 }, { kind: 'Close' }],
  ['is abandoned at the deadline below it', { cohort: [A!, P!, P!], elapsed: 100 }, { kind: 'Abandon' }],
  ['is abandoned as soon as the quorum cannot be reached', { cohort: [P!, S!, S!] }, { kind: 'Abandon' }],
  [
    'waits the grace after the quorum',
    { cohort: [A!, A!, P!], graceSeconds: 20, sinceQuorum: 5 },
    { kind: 'Wait', seconds: 15 },
  ],
  [
    'no longer than the deadline',
    { cohort: [A!, A!, P!], graceSeconds: 20, sinceQuorum: 5, elapsed: 95 },
    { kind: 'Wait', seconds: 5 },
  ],
  ['closes after the grace', { cohort: [A!, A!, P!], graceSeconds: 20, sinceQuorum: 20 }, { kind: 'Close' }],
  [
    'has no grace before the quorum',
    { cohort: [A!, P!, P!], graceSeconds: 20, elapsed: 50 },
    { kind: 'Wait', seconds: 50 },
  ],
  [
    'waits for evaluators outside the cohort',
    { cohort: [A!, A!, A!], evaluators: [P!] },
    { kind: 'Wait', seconds: 100 },
  ],
  [
    'closes without them at the deadline',
    { cohort: [A!, A!, A!], evaluators: [P!], elapsed: 100 },
    { kind: 'Close' },
  ],
  ['that only evaluates needs no update', { cohort: [], evaluators: [S!], quorum: 0 }, { kind: 'Close' }],
]

describe('a round', () => {
  for (const [what, change, wanted] of CASES) {
    test(what, () => assert.deepEqual(decideClosing({ ...INPUT, ...change }), wanted))
  }
})
