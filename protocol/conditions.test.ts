// Conditions per state as kubectl wait and kstatus read them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConditionFacts, conditionsFor, type JobState, withTransitionTimes } from './conditions.ts'
import { FEDERATED_JOB_SCHEMA } from './generated/schema.ts'

const FACTS: ConditionFacts = {
  generation: 3,
  waitingFor: 'NotEnoughClients',
  failure: 'TooManyFailedRounds',
  message: '',
  available: 1,
  needed: 2,
  missing: [{ client: 'site-b', reason: 'pending on nvidia.com/gpu' }],
  allowInsecure: false,
  plain: [],
  outliers: [],
}

/** "Ready=Unknown(NotEnoughClients)" for each condition. */
function texts(state: JobState, facts: Partial<ConditionFacts> = {}): string[] {
  return conditionsFor(state, { ...FACTS, ...facts }).map(
    ({ type, status, reason }) => `${type}=${status}(${reason})`,
  )
}

const TABLE: Readonly<Record<JobState, string>> = {
  Waiting:
    'Ready=Unknown(NotEnoughClients) Reconciling=True(NotEnoughClients) Suspended=False(NotSuspended) Complete=False(NotComplete) Failed=False(NotFailed) QuorumAvailable=False(NotEnoughClients)',
  Training:
    'Ready=True(Training) Suspended=False(NotSuspended) Complete=False(NotComplete) Failed=False(NotFailed) QuorumAvailable=False(NotEnoughClients)',
  QuorumLost:
    'Ready=False(QuorumLost) Suspended=False(NotSuspended) Complete=False(NotComplete) Failed=False(NotFailed) QuorumAvailable=False(NotEnoughClients)',
  Suspended:
    'Ready=False(Suspended) Suspended=True(Suspended) Complete=False(NotComplete) Failed=False(NotFailed) QuorumAvailable=Unknown(Suspended)',
  Complete:
    'Ready=True(Complete) Suspended=False(NotSuspended) Complete=True(Complete) Failed=False(NotFailed)',
  Failed:
    'Ready=False(TooManyFailedRounds) Stalled=True(TooManyFailedRounds) Suspended=False(NotSuspended) Complete=False(NotComplete) Failed=True(TooManyFailedRounds)',
}

for (const [state, conditions] of Object.entries(TABLE) as [JobState, string][]) {
  test(`${state} has all its conditions`, () => assert.equal(texts(state).join(' '), conditions))
}

test('a job with connections without TLS says so in every state, with the addresses', () => {
  const plain = ['http://s3:9000', 'nats://nats:4222']
  for (const state of Object.keys(TABLE) as JobState[]) {
    assert.ok(texts(state, { plain }).includes('Insecure=True(WithoutTLS)'), state)
    assert.ok(texts(state, { allowInsecure: true }).includes('Insecure=True(AllowInsecure)'), state)
  }
  const shown = conditionsFor('Training', { ...FACTS, plain }).find(({ type }) => type === 'Insecure')
  assert.match(shown!.message, /^http:\/\/s3:9000 and nats:\/\/nats:4222 without TLS/)
})

test('clients that are far from the others are named in every state, with their figures', () => {
  const far = { client: 'site-b', measure: 'Norm', value: 812.44, median: 7.1 } as const
  for (const state of Object.keys(TABLE) as JobState[])
    assert.ok(texts(state, { outliers: [far] }).includes('Outliers=True(FarFromOthers)'), state)
  const crowd = Array.from({ length: 100 }, (_, i) => ({ ...far, client: `site-${i}` }))
  const shown = (outliers: ConditionFacts['outliers']) =>
    conditionsFor('Training', { ...FACTS, outliers }).find(({ type }) => type === 'Outliers')!.message
  assert.equal(
    shown([far]),
    'site-b: the norm of its update is 812.4, the median of the round is 7.1. The updates count; check these clients.',
  )
  assert.ok(shown(crowd).length < 1000 && shown(crowd).includes('95 more'), shown(crowd))
})

test('QuorumAvailable says who is missing and why, partitions first, in a bounded message', () => {
  const find = (facts: Partial<ConditionFacts>) =>
    conditionsFor('Training', { ...FACTS, ...facts }).find(({ type }) => type === 'QuorumAvailable')
  assert.equal(find({})?.message, 'site-b: pending on nvidia.com/gpu. 1 of 2 needed clients are available.')
  assert.equal(find({ available: 2, missing: [] })?.reason, 'EnoughClients')
  const many = Array.from({ length: 1000 }, (_, i) => ({
    client: `site-${i}`,
    reason: 'because '.repeat(99),
  }))
  const message = find({ missing: many })?.message ?? ''
  assert.match(
    message,
    /^site-0: because .*; site-1: .*; and 989 more\. 1 of 2 needed clients are available\.$/,
  )
  assert.ok(message.length <= 1024)
})

test('a transition time moves only when the status does', () => {
  const waiting = withTransitionTimes(conditionsFor('Waiting', FACTS), [], 't0')
  assert.ok(waiting.every(({ lastTransitionTime }) => lastTransitionTime === 't0'))
  const reworded = withTransitionTimes(
    conditionsFor('Waiting', { ...FACTS, message: 'Still.' }),
    waiting,
    't1',
  )
  assert.ok(reworded.every(({ lastTransitionTime }) => lastTransitionTime === 't0'))
  const training = withTransitionTimes(conditionsFor('Training', FACTS), reworded, 't2')
  const times = Object.fromEntries(training.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]))
  assert.deepEqual(times, {
    Ready: 't2',
    Suspended: 't0',
    Complete: 't0',
    Failed: 't0',
    QuorumAvailable: 't0',
  })
})

test('reasons are what the CRD takes for reasons', () => {
  const schema = FEDERATED_JOB_SCHEMA.properties?.status?.properties?.conditions?.items?.properties?.reason
  const pattern = new RegExp(schema?.pattern ?? '$^')
  for (const state of Object.keys(TABLE) as JobState[]) {
    for (const { reason } of conditionsFor(state, FACTS)) assert.match(reason, pattern)
  }
})
