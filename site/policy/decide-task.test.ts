// What a site allows of a task: its limits over all jobs, its pins, its metrics. A task that was allowed once is one of all below.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Task } from '#protocol/messages.ts'
import { type Site, siteOf } from '../file/site.ts'
import type { AllowedJob } from './decide-job.ts'
import { decideTask, sharedMetrics, type Usage } from './decide-task.ts'

const PIN = 'ab'.repeat(32)

function siteWith(limits: object = {}, more: object = {}): Site & { places: string[] } {
  const places: string[] = []
  const value = {
    key: 'k',
    folder: 'f',
    federations: [],
    datasets: { brain: { path: '/b', limits } },
    trainers: { own: { command: ['t'] } },
    ...more,
  }
  const lineOf = (path: readonly (string | number)[]): number => places.push(path.join('.'))
  return { ...siteOf(value, { file: 'site.yaml', folder: '/etc', lineOf }), places }
}

const jobWith = (config: readonly string[] = []): AllowedJob => ({
  kind: 'Allowed',
  listed: { job: { namespace: 'team', name: 'a' }, dataset: 'brain', trainer: 'own' },
  dataset: {
    root: '/b',
    layout: 'Folders',
    imageSubfolder: '',
    annotationSubfolder: '',
    annotationsFile: '',
    labels: [],
    groupPattern: '',
    heldOutFraction: 0.2,
  },
  trainer: { kind: 'Command', command: ['t'], env: {}, config },
})

const TASK: Task = {
  kind: 'Train',
  round: 1,
  attempt: 1,
  epoch: 1,
  base: { key: 'base', size: 1, sha256: PIN, blocks: [] },
  evaluate: true,
  config: { server_round: '1' },
  seed: '0'.repeat(64),
}
const NONE: Usage = { updates: 0, updatesToday: 0, evaluations: 0 }

test('a message of a program is refused for the whole run, whatever the limits allow', () => {
  const decided = decideTask(siteWith(), jobWith(), { ...TASK, kind: 'Message' }, NONE)
  assert.ok(decided.kind === 'Refused')
  assert.match(decided.reason, /strategy is a program, and a site takes part in rounds alone/)
  assert.equal(decided.isForRun, true)
})

test('a task counts what it takes from the data', () => {
  const chargeOf = (task: Partial<Task>): unknown => {
    const decided = decideTask(siteWith(), jobWith(), { ...TASK, ...task }, NONE)
    return decided.kind === 'Allowed' && decided.charge
  }
  assert.deepEqual(chargeOf({}), { updates: 1, evaluations: 1 })
  assert.deepEqual(chargeOf({ evaluate: false }), { updates: 1, evaluations: 0 })
  assert.deepEqual(chargeOf({ kind: 'Evaluate' }), { updates: 0, evaluations: 1 })
  assert.deepEqual(chargeOf({ kind: 'Initialise', base: null }), { updates: 1, evaluations: 0 })
})

test('each limit allows its last task, and refuses the next one with its place in the file', () => {
  const cases: readonly (readonly [object, Usage, Partial<Task>, string])[] = [
    [{ updates: 5 }, { ...NONE, updates: 5 }, {}, 'updates'],
    [{ updatesPerDay: 2 }, { ...NONE, updates: 9, updatesToday: 2 }, {}, 'updatesPerDay'],
    [{ evaluations: 3 }, { ...NONE, evaluations: 3 }, { kind: 'Evaluate' }, 'evaluations'],
    [{ updates: 0 }, NONE, { kind: 'Initialise', base: null }, 'updates'],
    [{ rounds: 4 }, NONE, { round: 5 }, 'rounds'],
    [{ rounds: 4 }, NONE, { kind: 'Evaluate', round: 6 }, 'rounds'],
  ]
  for (const [limits, usage, task, limit] of cases) {
    const site = siteWith(limits)
    const refused = decideTask(site, jobWith(), { ...TASK, ...task }, usage)
    assert.ok(refused.kind === 'Refused', limit)
    assert.equal(
      refused.isForRun,
      limit === 'updates' || limit === 'rounds',
      'a limit that no later round meets',
    )
    assert.deepEqual(site.places, [`datasets.brain.limits.${limit}`])
    const raised = Object.fromEntries(
      Object.entries(limits).map(([name, most]) => [name, (most as number) + 1]),
    )
    assert.equal(decideTask(siteWith(raised), jobWith(), { ...TASK, ...task }, usage).kind, 'Allowed', limit)
  }
})

test('an exhausted limit of updates still lets the data evaluate, and the reverse', () => {
  // The site lowered both limits after the data had given more.
  const usage: Usage = { updates: 9, updatesToday: 9, evaluations: 9 }
  const task = { ...TASK, kind: 'Evaluate' } as const
  assert.equal(decideTask(siteWith({ updates: 5 }), jobWith(), task, usage).kind, 'Allowed')
  const training = { ...TASK, evaluate: false }
  assert.equal(decideTask(siteWith({ evaluations: 5 }), jobWith(), training, usage).kind, 'Allowed')
})

test('a task may set what the site lists, and nothing else', () => {
  const task = { ...TASK, config: { server_round: '1', seed: '1', epochs: '2' } }
  assert.equal(decideTask(siteWith(), jobWith(['epochs']), task, NONE).kind, 'Allowed')
  const site = siteWith()
  const refused = decideTask(site, jobWith(), task, NONE)
  assert.equal(
    refused.kind === 'Refused' && refused.reason,
    'the task sets epochs, which the site does not allow',
  )
  assert.deepEqual(site.places, ['trainers.own.config'])
})

test('the first round starts from a listed model; later ones are the coordinator’s', () => {
  const pinned = (digest: string): Site => siteWith({}, { models: [`sha256:${digest}`] })
  assert.equal(decideTask(pinned(PIN), jobWith(), TASK, NONE).kind, 'Allowed')
  assert.equal(decideTask(pinned('cd'.repeat(32)), jobWith(), TASK, NONE).kind, 'Refused')
  assert.equal(decideTask(pinned('cd'.repeat(32)), jobWith(), { ...TASK, round: 2 }, NONE).kind, 'Allowed')
})

test('a site that shares no metrics evaluates nothing', () => {
  const site = siteWith({}, { metrics: { share: false } })
  const training = decideTask(site, jobWith(), TASK, NONE)
  assert.ok(training.kind === 'Allowed' && !training.task.evaluate)
  assert.deepEqual(training.charge, { updates: 1, evaluations: 0 })
  assert.equal(decideTask(site, jobWith(), { ...TASK, kind: 'Evaluate' }, NONE).kind, 'Refused')
  assert.deepEqual(sharedMetrics(site, { dice: 1 }), {})
  assert.deepEqual(sharedMetrics(siteWith(), { dice: 1, other: 2 }), { dice: 1, other: 2 })
  assert.deepEqual(sharedMetrics(siteWith({}, { metrics: { names: ['dice'] } }), { dice: 1, other: 2 }), {
    dice: 1,
  })
})

test('a state leaves only where the file says so; one that stays here needs no permission', () => {
  const state = { place: 'Record', maxBytes: 9, last: null } as const
  const carried = (more: object, task: Partial<Task>): unknown => {
    const decided = decideTask(siteWith({}, more), jobWith(), { ...TASK, ...task }, NONE)
    return decided.kind === 'Allowed' && decided.task.state
  }
  assert.equal(carried({}, { state }), undefined)
  assert.deepEqual(carried({ states: true }, { state }), state)
  assert.deepEqual(carried({}, { state: { ...state, place: 'Local' } }), { ...state, place: 'Local' })
  assert.equal(carried({ states: true }, {}), undefined)
})
