// The lines of `fedsam plan`, and what it says of fields that a run on this machine leaves aside.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { describePlan, type OpenPlan } from './describe.ts'
import { localRemarks } from './remarks.ts'

const specOf = (fields: Partial<FederatedJobSpec> = {}) =>
  completeSpec({ partitions: [{ name: 'a' }], strategy: { minFitClients: 1 }, ...fields })

const OPEN: OpenPlan = {
  cohort: 1,
  evaluators: 1,
  minimum: 1,
  command: ['python3', '-m', 'trainer', "it's"],
  vectors: 0,
  readings: 1,
  holdsCohort: false,
}

test('a job of one round and one client is described in the singular', () => {
  const command = { command: ['python3', '-m', 'trainer'], image: 'registry.example/trainer:1' }
  const spec = specOf({ rounds: 1, trainer: { type: 'Command', command } })
  assert.deepEqual(describePlan('small', spec, OPEN), [
    'small: 1 round of FedAvg over 1 partition',
    "trainer     python3 -m trainer 'it'\\''s', in a cluster in the image registry.example/trainer:1",
    'exchanged   not known before the run: the first client that answers says which tensors travel',
    'each round  1 client trains, 1 evaluates; at least 1 update must arrive',
    '  workers     each member fetches one model; each of the cohort sends one update',
    '  coordinator checks each update; the fold reads it once more where memory does not keep it',
    "memory      the fold takes at most the coordinator's 537 MB, for any model; it adds update by update",
  ])
})

test('the plan of a strategy that measures and optimizes names its state and its reads', () => {
  const spec = specOf({ rounds: 3, model: { initialParameters: 'start.safetensors' } })
  const plan = { ...OPEN, cohort: 3, evaluators: 2, minimum: 3, vectors: 2, readings: 2, holdsCohort: true }
  const lines = describePlan('large', spec, plan).join('\n')
  for (const part of [
    'large: 3 rounds of FedAvg',
    'the file start.safetensors says which tensors travel',
    '3 clients train, 2 evaluate; at least 3 updates must arrive',
    'the fold reads it twice more',
    "optimizer   keeps 2 vectors of the model's length",
    'it holds a slice of every update at once',
  ])
    assert.ok(lines.includes(part), `${part} is not in\n${lines}`)
})

test('the plan names the bound on the norms of updates', () => {
  const clipped = (clipNorm: object) =>
    describePlan('job', specOf({ strategy: { minFitClients: 1, clipNorm } }), OPEN).filter((line) =>
      line.startsWith('  clipping'),
    )
  assert.deepEqual(clipped({ norm: 10 }), ['  clipping    a longer update is scaled down to the norm 10'])
  assert.deepEqual(clipped({ medianMultiple: 3 }), [
    '  clipping    a longer update is scaled down to the norm 3 times the median norm of the last rounds',
  ])
})

test('the plan names the most examples of one client that count', () => {
  const lines = describePlan('job', specOf({ round: { maxExamples: 500 } }), OPEN)
  assert.ok(lines.includes('  examples    at most 500 of one client count'))
})

test('fields that only a cluster has are named, and nothing else is', () => {
  assert.deepEqual(localRemarks(specOf({ storage: { s3: {} }, messaging: { nats: {} } })), [])
  const source = { persistentVolumeClaim: { claimName: 'a' } }
  const partitions = [{ name: 'a', source, dataset: { root: 'data/a' } }, { name: 'b' }]
  assert.deepEqual(localRemarks(specOf({ partitions, startDeadlineSeconds: 1, activeDeadlineSeconds: 2 })), [
    'a: source applies only in a cluster; a run on this machine reads data/a',
    'startDeadlineSeconds: 1 applies only in a cluster; a run on this machine has no deadline',
    'activeDeadlineSeconds: 2 applies only in a cluster; a run on this machine has no deadline',
  ])
})

test('the plan names the sites, and says that a run on this machine trains them', () => {
  const site = (name: string, digit: string) => ({ name, external: { publicKey: digit.repeat(64) } })
  const says = 'external applies only in a cluster; a run on this machine trains'
  assert.deepEqual(localRemarks(specOf({ partitions: [{ name: 'a' }, site('b', 'b')] })), [
    `b: ${says} it here, like every other partition`,
  ])
  assert.deepEqual(localRemarks(specOf({ partitions: [site('b', 'b'), { name: 'a' }, site('c', 'c')] })), [
    `b, c: ${says} them here, like every other partition`,
  ])
})

test('the plan of a program says what a client may keep, where the job names it', () => {
  const trainer = { type: 'Command', command: { command: ['t'] } } as const
  const said = (strategy: object) =>
    describePlan('job', specOf({ trainer, strategy: { minFitClients: 1, ...strategy } }), OPEN).filter(
      (line) => line.startsWith('  state'),
    )
  assert.deepEqual(said({}), [])
  assert.deepEqual(said({ clientStateBytes: 50_000_000 }), [
    '  state       each client keeps at most 50 MB between rounds, and sends them once a round; the store has the last ones of every client',
  ])
  assert.deepEqual(said({ clientState: 'Local' }), [
    '  state       each client keeps at most 134 MB between rounds, and they stay there',
  ])
})
