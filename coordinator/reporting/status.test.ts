// From events to status: one row for each rule, then any order of events against the bounds and rules of the schema.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import type { StructuralSchema } from '#protocol/structural-schema.ts'
import {
  abandoned,
  admitted,
  completed,
  gone,
  opened,
  over,
  SHA,
  started,
  waiting,
} from '#test/given/run-news.ts'
import { beginStatus, isTransition, nextStatus, type StatusEvent } from './status.ts'

const NOW = Date.parse('2026-11-24T08:00:00.500Z')
const facts = (seconds = 0) => ({
  now: NOW + seconds * 1000,
  outputUri: 's3://fedsam/team-a/brain/6f3a/output',
})
const BEGIN = beginStatus('6f3a', undefined, NOW)

const after = (news: readonly StatusEvent[], begin = BEGIN): TrainingStatus =>
  news.reduce((status, one) => nextStatus(status, one, facts()), begin)

describe('state', () => {
  const rows: readonly [string, readonly StatusEvent[], string, string][] = [
    ['begins', [], 'Starting', 'Starting'],
    ['waits for too few', [started(), waiting(['a'], [gone('b')])], 'Waiting', 'NotEnoughClients'],
    ['waits for the rest of enough', [started(), waiting(['a', 'b'], [gone('c')])], 'Waiting', 'Starting'],
    ['trains', [started(), opened(1)], 'Training', 'Training'],
    ['asks for parameters', [started(), opened(0, { kind: 'Initialise' })], 'Training', 'Training'],
    [
      'keeps training while a round settles',
      [opened(1), completed(1), waiting(['a', 'b'], [gone('c')])],
      'Training',
      'Training',
    ],
    [
      'waits for too few again',
      [opened(1), completed(1), waiting(['a'], [gone('b')])],
      'Waiting',
      'NotEnoughClients',
    ],
    ['loses its quorum', [opened(1), abandoned()], 'QuorumLost', 'QuorumNotReached'],
    [
      'keeps QuorumLost while it waits',
      [opened(1), abandoned(), waiting(['a'], [gone('b')])],
      'QuorumLost',
      'QuorumNotReached',
    ],
    ['has it again', [opened(1), abandoned(), opened(1, { attempt: 2 })], 'Training', 'Training'],
    ['finishes', [opened(3), completed(3), opened(4, { kind: 'Evaluate' })], 'Finishing', 'Evaluating'],
    [
      'still finishes where no client evaluates',
      [opened(4, { kind: 'Evaluate' }), abandoned({ kind: 'Evaluate' })],
      'Finishing',
      'Evaluating',
    ],
    ['is complete', [opened(3), completed(3), over], 'Complete', 'Complete'],
    [
      'fails in its rounds',
      [{ event: 'RunFailed', code: 'RunFailed', reason: 'TooManyFailedRounds', message: 'too often' }],
      'Failed',
      'TooManyFailedRounds',
    ],
    [
      'is hindered',
      [opened(1), { event: 'Hindered', reason: 'StorageUnreachable', message: 'm' }],
      'Waiting',
      'StorageUnreachable',
    ],
    ['is given up', [{ event: 'GivenUp', reason: 'BadCheckpoint', message: 'm' }], 'Failed', 'BadCheckpoint'],
  ]
  for (const [what, news, state, reason] of rows) {
    test(what, () => {
      const status = after(news)
      assert.deepEqual({ state: status.state, reason: status.reason }, { state, reason })
      assert.notEqual(status.message, '')
    })
  }
})

describe('clients', () => {
  test('are counted, and missing clients are named with what they prepare', () => {
    const status = after([started(), waiting(['a'], [gone('b', '1 of 2 MB'), gone('c')])])
    assert.deepEqual(status.clients, {
      total: 3,
      available: 1,
      absent: [
        { name: 'b', outcome: 'Unreachable', reason: 'Preparing', message: '1 of 2 MB' },
        { name: 'c', outcome: 'Unreachable', reason: 'NotHeard', message: '' },
      ],
    })
    assert.equal(
      status.message,
      '1 of at least 2 needed clients are available; waiting for b (1 of 2 MB), c.',
    )
    const joined = after([{ event: 'ClientJoined', client: 'b', backend: '', available: 2 }], status)
    assert.deepEqual([joined.clients?.available, joined.clients?.absent?.map(({ name }) => name)], [2, ['c']])
  })

  test('of an attempt: cohort, accepted, and the outcomes of other clients', () => {
    const status = after([
      opened(1),
      admitted(1, 'a'),
      { event: 'UpdateRejected', round: 1, client: 'b', reason: 'NotFinite', message: 'x' },
      { event: 'ClientFailed', round: 1, client: 'c', reason: 'TrainerFailed', message: 'y' },
    ])
    const { cohort, accepted, available, absent } = status.clients!
    assert.deepEqual({ cohort, accepted, available }, { cohort: 2, accepted: 1, available: 2 })
    assert.deepEqual(
      absent?.map(({ name, outcome, reason }) => [name, outcome, reason]),
      [
        ['b', 'Rejected', 'NotFinite'],
        ['c', 'Failed', 'TrainerFailed'],
      ],
    )
    const refused = after(
      [{ event: 'ClientRefused', reason: 'BadSignature', client: 'b', message: 'no' }],
      status,
    )
    assert.deepEqual(refused.clients?.absent?.[0], {
      name: 'b',
      outcome: 'Refused',
      reason: 'BadSignature',
      message: 'no',
    })
    const joined = after([{ event: 'ClientJoined', client: 'b', backend: '', available: 2 }], refused)
    assert.deepEqual(
      joined.clients?.absent?.map(({ name }) => name),
      ['c'],
      'who joined has shown who it is',
    )
  })
})

describe('rounds', () => {
  test('of the record are shown, the newest ten', () => {
    const newest = [...Array(12).keys()].map((i) => ({
      round: i + 1,
      attempt: 1,
      cohort: 2,
      accepted: 2,
      seconds: 1,
      evaluation: null,
    }))
    const status = after([started({ completed: 12, newest })])
    assert.deepEqual(
      status.rounds?.map(({ round }) => round),
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    )
  })

  test('have the metrics of the model that they made, which the next attempt measures', () => {
    const evaluation = (loss: number) => ({
      evaluation: { loss, numExamples: 4, metrics: { dice: 1 - loss } },
    })
    const best = { round: 1, metric: 'dice', value: 0.7 }
    const status = after([
      opened(1),
      completed(1, evaluation(0.9)),
      opened(2),
      completed(2, { ...evaluation(0.3), best }),
      opened(3, { kind: 'Evaluate' }),
      completed(3, { ...evaluation(0.2), kind: 'Evaluate', accepted: [], head: 'b'.repeat(64) }),
    ])
    assert.deepEqual(
      status.rounds?.map(({ round, metrics }) => [round, metrics?.loss]),
      [
        [1, 0.3],
        [2, 0.2],
      ],
    )
    assert.deepEqual(status.metrics, { loss: 0.2, dice: 0.8 })
    assert.deepEqual(status.best, best)
    assert.deepEqual([status.round, status.attempt], [2, 1], 'an evaluation is no round')
    assert.equal(status.head, `sha256:${'b'.repeat(64)}`)
    assert.deepEqual(status.bytes, { received: 0, sent: 600 })
  })

  test('are the last ten, and output names the round of its model', () => {
    const status = after([...Array(12).keys()].map((i) => completed(i + 1)).concat(over))
    assert.deepEqual(
      status.rounds?.map(({ round }) => round),
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    )
    const { uri, round, digest } = status.output!
    assert.deepEqual({ uri, round, digest }, { uri: facts().outputUri, round: 2, digest: `sha256:${SHA}` })
  })

  test('that ended when no status could be written are added from the record', () => {
    const written = after([started(), opened(1), completed(1)])
    const recorded = [1, 2].map((round) => ({
      round,
      attempt: 3,
      cohort: 3,
      accepted: 2,
      seconds: 5,
      evaluation: round === 1 ? null : { loss: 0.5, numExamples: 4, metrics: { dice: 0.9 } },
    }))
    const goesOn = nextStatus(written, started({ completed: 2, newest: recorded }), facts())
    assert.deepEqual(goesOn.rounds, [
      written.rounds![0],
      { round: 2, attempt: 3, cohort: 3, accepted: 2, seconds: 5, metrics: { loss: 0.5, dice: 0.9 } },
    ])
  })

  test('never decrease: a resumed coordinator keeps what was written before', () => {
    const before = after([started({ epoch: 4 }), opened(2, { attempt: 3 }), admitted(2, 'a')])
    const again = after([started({ epoch: 5, completed: 1 })], beginStatus('6f3a', before, NOW))
    const { epoch, round, attempt, bytes, state } = again
    assert.deepEqual(
      { epoch, round, attempt, bytes, state },
      { epoch: 5, round: 2, attempt: 3, bytes: { received: 100, sent: 0 }, state: 'Starting' },
    )
    assert.equal(beginStatus('other', before, NOW).round, 0, 'another job begins at 0')
  })
})

test('clients that did not evaluate are named until the next model is evaluated', () => {
  const failed = { client: 'a', outcome: 'Failed', reason: 'TrainerFailed', message: 'KeyError' } as const
  const nothing = { client: 'c', outcome: 'Nothing', reason: '', message: '' } as const
  const one = after([started(), opened(1), completed(1, { notEvaluated: [nothing, failed] })])
  assert.deepEqual(one.clients!.notEvaluated, [
    { name: 'a', outcome: 'Failed', reason: 'TrainerFailed', message: 'KeyError' },
    { name: 'c', outcome: 'Nothing', reason: '', message: '' },
  ])
  const two = after([opened(2)], one)
  assert.equal(two.clients!.notEvaluated!.length, 2, 'an attempt that opens has measured nothing yet')
  assert.deepEqual(after([completed(2)], two).clients!.notEvaluated, [])
})

test('outliers of the newest round are named with their figures, and no longer than that', () => {
  const far = { client: 'a', measure: 'Norm', value: 1.7e308, median: 2 } as const
  const one = after([started(), opened(1), completed(1, { outliers: [far] })])
  assert.deepEqual(one.clients!.outliers, [{ name: 'a', measure: 'Norm', round: 1, value: 1e300, median: 2 }])
  assert.equal(after([opened(2)], one).clients!.outliers!.length, 1)
  assert.deepEqual(after([opened(2), completed(2)], one).clients!.outliers, [])
})

describe('a pause', () => {
  const paused = after([abandoned({ reason: 'NotEnoughClients', pauseSeconds: 30 })])

  test('is reported with its end, and ends when an attempt opens or its time has passed', () => {
    assert.equal(paused.pauseUntil, '2026-11-24T08:00:30Z')
    const wait = waiting(['a'], [gone('b')])
    assert.equal(nextStatus(paused, wait, facts(10)).pauseUntil, paused.pauseUntil)
    assert.equal(nextStatus(paused, wait, facts(30)).pauseUntil, undefined)
    assert.equal(nextStatus(paused, opened(1), facts(10)).pauseUntil, undefined)
    assert.equal(beginStatus('6f3a', paused, NOW).pauseUntil, undefined)
  })
})

describe('isTransition', () => {
  test('at once: state, reason, pause and epoch; not how far a round is', () => {
    const one = after([started(), opened(1)])
    const transition = (news: StatusEvent): boolean => isTransition(one, nextStatus(one, news, facts()))
    assert.equal(transition(abandoned()), true)
    assert.equal(transition(started({ epoch: 2 })), true)
    assert.equal(transition(admitted(1, 'a')), false)
    assert.equal(transition(completed(1)), false)
  })

  test('nothing where nothing changes', () => {
    const progress: StatusEvent = { event: 'Progress', round: 1, client: 'a', done: 1, total: 2, message: '' }
    assert.equal(nextStatus(BEGIN, progress, facts(5)), BEGIN)
    assert.equal(nextStatus(BEGIN, started(), facts(5)).updatedTime, '2026-11-24T08:00:05Z')
  })
})

/** Where the value breaks the schema; the subset of checks that status.training has. */
function broken(schema: StructuralSchema, value: unknown, path: string): string[] {
  if (Array.isArray(value)) {
    const parts = value.flatMap((item, i) => broken(schema.items!, item, `${path}[${i}]`))
    return value.length > schema.maxItems! ? [...parts, `${path} has ${value.length} items`] : parts
  }
  if (typeof value === 'object' && value !== null) return brokenObject(schema, value, path)
  const fits = typeof value === 'string' ? fitsText(schema, value) : fitsNumber(schema, value as number)
  return fits ? [] : [`${path}: ${String(value).slice(0, 40)}`]
}

function brokenObject(schema: StructuralSchema, value: object, path: string): string[] {
  const lost = (schema.required ?? []).filter((name) => !(name in value)).map((name) => `${path}.${name}`)
  const parts = Object.entries(value).flatMap(([name, field]) => {
    const known = schema.properties?.[name] ?? schema.additionalProperties
    return known ? broken(known, field, `${path}.${name}`) : [`${path}.${name} is not in the schema`]
  })
  const most = schema.maxProperties ?? Number.POSITIVE_INFINITY
  return [...lost, ...parts, ...(Object.keys(value).length > most ? [`${path} has too many`] : [])]
}

function fitsText({ enum: words, maxLength }: StructuralSchema, text: string): boolean {
  return words === undefined ? text.length <= maxLength! : words.includes(text)
}

function fitsNumber({ type, minimum, maximum }: StructuralSchema, value: number): boolean {
  return value >= minimum! && value <= maximum! && (type !== 'integer' || Number.isInteger(value))
}

test('any events in any order keep within the schema, and never decrease', () => {
  const schema = FEDERATED_JOB_SCHEMA.properties!.status!.properties!.training!
  const long = 'x'.repeat(10_000)
  const crowd = [...Array(1500).keys()].map((i) => gone(`client-${i}`, long))
  const metrics = Object.fromEntries([...Array(60).keys()].map((i) => [`m${i}${long}`, 1e200]))
  const pool: readonly StatusEvent[] = [
    started({ epoch: 7, completed: 2, head: SHA, best: { round: 1, metric: long, value: 1 } }),
    waiting([], crowd.slice(0, 1000)),
    opened(9, {
      attempt: 4,
      roster: crowd.map(({ client }) => client).slice(0, 1000),
      absent: crowd.slice(0, 1000),
    }),
    opened(2),
    { event: 'ClientRefused', reason: 'BadSignature', client: 'a', message: long },
    { event: 'ClientRefused', reason: 'BadSignature', client: long, message: long },
    { event: 'ClientFailed', round: 1, client: 'b', reason: long, message: long },
    admitted(1, 'a'),
    abandoned({ reason: long, message: long, outcomes: crowd, pauseSeconds: 600 }),
    completed(3, {
      evaluation: { loss: 1e200, numExamples: 1, metrics },
      outcomes: crowd,
      notEvaluated: crowd.map((client) => ({ ...client, outcome: 'Failed' })),
      outliers: crowd.map(({ client }) => ({ client, measure: 'Loss', value: 1e305, median: 1e303 })),
    }),
    { event: 'Initialised', origin: 'Client', client: 'a', narrow: {}, resumed: null, head: SHA },
    { event: 'Hindered', reason: 'StorageUnreachable', message: long },
    over,
  ]
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  for (let run = 0; run < 60; run += 1) {
    let status = BEGIN
    for (let step = 0; step < 12; step += 1) {
      const next = nextStatus(status, pool[random(pool.length)]!, facts(step))
      assert.deepEqual(broken(schema, next, 'training'), [])
      assert.ok(JSON.stringify(next).length < 1_000_000)
      for (const name of Object.keys(next.metrics ?? {})) assert.ok(name.length <= 64)
      const ahead =
        next.round > status.round || (next.round === status.round && next.attempt >= status.attempt)
      assert.ok(ahead && next.epoch >= status.epoch)
      status = next
    }
  }
})

test('a run that starts from another run is at the round of that run before it trains', () => {
  const resumed = {
    ...{ prefix: 's3://bucket/run', round: 5, name: 'other', run: SHA, result: SHA },
    state: 'Carried',
  } as const
  const { round, attempt, head } = after([
    { event: 'Initialised', origin: 'Resumed', client: null, narrow: {}, resumed, head: SHA },
  ])
  assert.deepEqual({ round, attempt, head }, { round: 5, attempt: 1, head: `sha256:${SHA}` })
})
