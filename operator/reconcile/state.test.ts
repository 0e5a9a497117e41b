// The chain of checks that decides the state of a job: which facts each check reads, and which check decides where several apply.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import { COORDINATOR_FAILURES, COORDINATOR_WAITS } from '#protocol/reasons.ts'
import { NOW, running, SPEC, training } from '#test/given/observed.ts'
import type { KubernetesObject } from '../objects/shapes.ts'
import { factsOf } from './facts.ts'
import { CHECKS, decideState, type StateFacts, type Verdict } from './state.ts'

/** A job whose Jobs exist and whose coordinator has reported nothing: no check applies. */
const NEW: StateFacts = { ...factsOf(running, completeSpec(SPEC)), conflicts: [] }
const { storage: _, ...withoutStorage } = SPEC
const coordinatorJob = NEW.coordinator.job as KubernetesObject
const heldJob = { ...coordinatorJob, spec: { ...coordinatorJob.spec, suspend: true } }

type Expected = { readonly state: Verdict['state']; readonly message: RegExp } & Record<string, unknown>
/** For each check, in the order of the decision: facts to which it applies, and its verdict. */
const CASES: readonly (readonly [string, Partial<StateFacts>, Expected])[] = [
  [
    'reportedComplete',
    { training: training('Complete', { message: 'done' }) },
    { state: 'Complete', message: /^done$/ },
  ],
  [
    'reportedFailed',
    { training: training('Failed', { reason: 'BadCheckpoint', message: 'no weights' }) },
    { state: 'Failed', failure: 'BadCheckpoint', message: /^no weights$/ },
  ],
  [
    'coordinatorGaveUp',
    { coordinator: { ...NEW.coordinator, givenUp: 'failed, BackoffLimitExceeded: too often' } },
    { state: 'Failed', failure: 'CoordinatorFailed', message: /^The coordinator failed, Backoff/ },
  ],
  [
    'coordinatorRejectedJob',
    { coordinator: { ...NEW.coordinator, rejection: 'a URL is wrong' } },
    { state: 'Failed', failure: 'BadConfiguration', message: /^a URL is wrong$/ },
  ],
  ['suspended', { spec: completeSpec({ ...SPEC, suspend: true }) }, { state: 'Suspended', message: /^$/ }],
  [
    'deadlinePassed',
    { deadline: { at: NOW, reason: 'DeadlineExceeded', message: 'too long' } },
    { state: 'Failed', failure: 'DeadlineExceeded', message: /^too long$/ },
  ],
  [
    'ruleBroken',
    { forbidden: { waitingFor: 'TemplateRefused', message: 'hostPID is not allowed' } },
    { state: 'Waiting', waitingFor: 'TemplateRefused', message: /^hostPID is not allowed$/ },
  ],
  [
    'nameConflict',
    { conflicts: [coordinatorJob] },
    { state: 'Waiting', waitingFor: 'ChildConflict', message: /^Job brain-coordinator belongs to another/ },
  ],
  [
    'sectionMissing',
    { spec: completeSpec(withoutStorage) },
    { state: 'Waiting', waitingFor: 'StorageMissing', message: /^spec\.storage is missing/ },
  ],
  [
    'coordinatorQueued',
    { queue: 'gpus', coordinator: { ...NEW.coordinator, job: heldJob } },
    { state: 'Waiting', waitingFor: 'Queued', message: /^Queue gpus holds .*Job brain-coordinator/ },
  ],
  [
    'coordinatorUnavailable',
    { coordinator: { ...NEW.coordinator, problem: 'pending, no room' } },
    { state: 'Waiting', waitingFor: 'CoordinatorUnavailable', message: /^The coordinator: pending, no room/ },
  ],
  [
    'reportedTraining',
    { training: training('Finishing', { message: 'evaluates' }) },
    { state: 'Training', message: /^evaluates$/ },
  ],
  [
    'reportedQuorumLost',
    { training: training('QuorumLost', { message: 'b was late' }) },
    { state: 'QuorumLost', message: /^b was late$/ },
  ],
]

const applying = (facts: StateFacts): string[] =>
  CHECKS.filter((check) => check(facts) !== undefined).map(({ name }) => name)

test('the order of the checks', () => {
  assert.deepEqual(
    CHECKS.map(({ name }) => name),
    CASES.map(([name]) => name),
  )
})

for (const [name, part, { message, ...expected }] of CASES) {
  test(`the check ${name} alone applies to its facts, and decides`, () => {
    const facts = { ...NEW, ...part }
    assert.deepEqual(applying(facts), [name])
    const { message: found, ...verdict } = decideState(facts)
    assert.deepEqual(verdict, expected)
    assert.match(found, message)
  })
}

test('every reason that a coordinator may report becomes the reason of the job', () => {
  for (const reason of COORDINATOR_WAITS) {
    const facts = { ...NEW, training: training('Waiting', { reason }), refusals: ['no quota'] }
    assert.deepEqual(decideState(facts), { state: 'Waiting', waitingFor: reason, message: '' })
  }
  for (const reason of COORDINATOR_FAILURES) {
    const facts = { ...NEW, training: training('Failed', { reason }) }
    assert.deepEqual(decideState(facts), { state: 'Failed', failure: reason, message: '' })
  }
})

test('a job without messaging waits for messaging, a job without either section for storage first', () => {
  const { messaging: _messaging, ...withoutMessaging } = SPEC
  const { messaging: _too, ...withoutEither } = withoutStorage
  const waitsFor = (spec: typeof withoutEither): [unknown, string] => {
    const { message, ...verdict } = decideState({ ...NEW, spec: completeSpec(spec) })
    return [verdict, message]
  }
  assert.deepEqual(waitsFor(withoutMessaging), [
    { state: 'Waiting', waitingFor: 'MessagingMissing' },
    'spec.messaging is missing; a job in a cluster needs it. Create the job again with it.',
  ])
  assert.deepEqual(waitsFor(withoutEither), [
    { state: 'Waiting', waitingFor: 'StorageMissing' },
    'spec.storage and spec.messaging are missing; a job in a cluster needs them. Create the job again with them.',
  ])
})

test('of two checks that apply, the earlier one decides', () => {
  let pairs = 0
  for (const [i, [earlier, first]] of CASES.entries()) {
    for (const [later, second] of CASES.slice(i + 1)) {
      const coordinator = { ...second.coordinator, ...onlyChanged(first.coordinator) }
      const facts = { ...NEW, ...second, ...first, coordinator: { ...NEW.coordinator, ...coordinator } }
      const both = applying(facts)
      if (!both.includes(earlier) || !both.includes(later)) continue
      pairs++
      const check = CHECKS.find(({ name }) => name === earlier)!
      assert.deepEqual(decideState(facts), check(facts), `${earlier} before ${later}`)
    }
  }
  assert.ok(pairs >= 50, `only ${pairs} pairs of checks can apply together`)
})

/** The coordinator's facts that differ from those of NEW. */
function onlyChanged(coordinator: StateFacts['coordinator'] = NEW.coordinator): object {
  return Object.fromEntries(
    Object.entries(coordinator).filter(
      ([key, value]) => value !== NEW.coordinator[key as keyof typeof coordinator],
    ),
  )
}

const WAITS: readonly (readonly [string, Partial<StateFacts>, string])[] = [
  ['its pods, where nothing is known', {}, 'Starting'],
  [
    'what the coordinator names',
    { training: training('Waiting', { reason: 'NotEnoughClients' }) },
    'NotEnoughClients',
  ],
  ['its pods, where the reason is unknown', { training: training('Waiting', { reason: 'New' }) }, 'Starting'],
  ['a child that the API server rejects', { refusals: ['no quota'] }, 'ChildRefused'],
  [
    'a deadline that has not passed, and so for its pods',
    { deadline: { at: NOW + 1, reason: 'DeadlineExceeded', message: '' } },
    'Starting',
  ],
]
for (const [what, part, waitingFor] of WAITS) {
  test(`where no check applies, the job waits for ${what}`, () => {
    assert.deepEqual(applying({ ...NEW, ...part }), [])
    const verdict = decideState({ ...NEW, ...part })
    assert.deepEqual(
      [verdict.state, verdict.state === 'Waiting' && verdict.waitingFor],
      ['Waiting', waitingFor],
    )
  })
}
