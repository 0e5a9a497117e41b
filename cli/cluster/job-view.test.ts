// What is shown of a job where a real API server's jobs (test/cluster) do not lead: earlier jobs, coordinators that cannot run,
// hundreds of partitions, other managers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubernetesObject } from '#operator/objects/shapes.ts'
import { conditionsFor, type JobState } from '#protocol/conditions.ts'
import type { FederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { statusLines, summaryLine } from '../render/status.ts'
import { judgeSites } from './checks/sites.ts'
import type { JobFacts } from './job-facts.ts'
import { viewOf } from './job-view.ts'

const SINCE = '2026-11-24T08:00:00Z'

function facts(
  state: JobState,
  training: Partial<TrainingStatus> = {},
  spec: Partial<FederatedJobSpec> = {},
): JobFacts {
  const told = { generation: 2, waitingFor: 'Starting', failure: 'BadConfiguration', message: '' } as const
  const counts = { available: 1, needed: 2, missing: [], allowInsecure: false, plain: [], outliers: [] }
  const conditions = conditionsFor(state, { ...told, ...counts })
  return {
    job: {
      metadata: { name: 'brain', namespace: 'team-a', uid: 'new', generation: 2 },
      spec: { partitions: [{ name: 'site-a' }, { name: 'site-b' }], ...spec },
      status: {
        observedGeneration: 2,
        conditions: conditions.map((condition) => ({ ...condition, lastTransitionTime: SINCE })),
        training: { uid: 'new', epoch: 1, round: 4, attempt: 1, ...training },
      },
    },
    pods: [],
    uncreated: [],
  }
}

function pod(labels: Readonly<Record<string, string>>): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'team-a', labels }, status: {} }
}

test('the remains of an earlier job of the same name are not shown', () => {
  assert.equal(viewOf(facts('Training')).round, 4)
  assert.equal(viewOf(facts('Training', { uid: 'old' })).round, 0)
})

test('every state of the table follows from its conditions alone', () => {
  const states: JobState[] = ['Waiting', 'Training', 'QuorumLost', 'Suspended', 'Complete', 'Failed']
  for (const state of states) assert.equal(viewOf(facts(state)).state, state)
})

test('waits name the coordinator that cannot run, the updates that are open, and who else manages the job', () => {
  const stuck = { pod: pod({ 'fedsam.dev/role': 'coordinator' }), problem: 'pending, no node' }
  assert.deepEqual(viewOf({ ...facts('Waiting'), pods: [stuck] }).waitsFor, [
    'the coordinator: pending, no node',
    'clients: site-a, site-b',
  ])
  const uncreated = [
    { job: 'brain-coordinator', partition: undefined, problem: 'no quota' },
    { job: 'brain-worker-site-a', partition: 'site-a', problem: 'no account' },
  ]
  const refused = viewOf({ ...facts('Waiting'), uncreated })
  assert.deepEqual(refused.waitsFor, ['the coordinator: no quota', 'clients: site-a, site-b'])
  assert.deepEqual(
    refused.clients.map(({ state, message }) => `${state} ${message}`),
    ['Missing no account', 'Missing it has no pod'],
  )
  const open = facts('Training', { clients: { cohort: 2, accepted: 1 } })
  assert.deepEqual(viewOf(open).waitsFor, ['updates: 1 of 2 are in'])
  const managed = facts('Training', {}, { managedBy: 'kueue.x-k8s.io/multikueue' })
  assert.deepEqual(viewOf(managed).waitsFor, ['kueue.x-k8s.io/multikueue, which manages this job'])
})

test("a pod's problem explains silence, not what an update lacked", () => {
  const broken = { pod: pod({ 'fedsam.dev/partition': 'site-a' }), problem: 'no memory' }
  const absent = [{ name: 'site-a', outcome: 'Unreachable', message: 'not heard' }] as const
  const message = (outcome: 'Unreachable' | 'Rejected'): string => {
    const clients = { absent: absent.map((client) => ({ ...client, outcome })) }
    return viewOf({ ...facts('Training', { clients }), pods: [broken] }).clients[0]!.message
  }
  assert.equal(message('Unreachable'), 'no memory')
  assert.equal(message('Rejected'), 'not heard')
})

test('of many clients, only those with a problem or a result are listed', () => {
  const partitions = Array.from({ length: 100 }, (_, i) => ({ name: `site-${i}` }))
  const absent = [{ name: 'site-7', outcome: 'Late' }] as const
  const lines = statusLines(
    viewOf(facts('Complete', { clients: { absent } }, { partitions })),
    Date.parse(SINCE),
  )
  const from = lines.indexOf('Clients')
  assert.deepEqual(lines.slice(from, from + 3), ['Clients', '  site-7  Late', '  and 99 without a problem'])
})

test('an outlier is shown with its figures', () => {
  const clients = {
    outliers: [
      { name: 'site-a', measure: 'Norm', round: 3, value: 123456.7, median: 2.5 },
      { name: 'site-a', measure: 'Loss', round: 3, value: 80, median: 0.5 },
    ],
  } as const
  const ready = { type: 'Ready', status: 'True' }
  const own = { ...pod({ 'fedsam.dev/partition': 'site-a' }), status: { conditions: [ready] } }
  const view = viewOf({ ...facts('Training', { clients }), pods: [{ pod: own, problem: undefined }] })
  const { reason, message } = view.clients[0]!
  assert.equal(reason, 'Outlier')
  assert.equal(
    message,
    'round 3: the norm of its update is 123500, the median of the round is 2.5; its loss is 80, the median of the round is 0.5',
  )
  assert.match(summaryLine(view), /far from the others: site-a/)
})

test('a failed evaluation is shown with its reason, unless the client has a later outcome', () => {
  const lacking = {
    name: 'site-a',
    outcome: 'Failed',
    reason: 'TrainerFailed',
    message: 'KeyError: dice',
  } as const
  const ready = { type: 'Ready', status: 'True' }
  const own = { ...pod({ 'fedsam.dev/partition': 'site-a' }), status: { conditions: [ready] } }
  const shown = (clients: NonNullable<TrainingStatus['clients']>) => {
    const { name, ...rest } = viewOf({
      ...facts('Training', { clients }),
      pods: [{ pod: own, problem: undefined }],
    }).clients[0]!
    return rest
  }
  assert.deepEqual(shown({ notEvaluated: [lacking] }), {
    state: 'Present',
    reason: 'EvaluationFailed',
    message: 'KeyError: dice',
  })
  assert.equal(shown({ notEvaluated: [{ name: 'site-a', outcome: 'Nothing' }] }).reason, '')
  const rejected = { name: 'site-a', outcome: 'Rejected', reason: 'NotFinite', message: 'w[0]' } as const
  assert.equal(shown({ notEvaluated: [lacking], absent: [rejected] }).reason, 'NotFinite')
})

test('a site is connected, away since a time, or was never heard; none of its lines speaks of a pod', () => {
  const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
  const partitions = [
    { name: 'near' },
    { name: 'there', external: { publicKey: A } },
    { name: 'gone', external: { publicKey: B } },
    { name: 'never', external: { publicKey: 'c'.repeat(64) } },
  ]
  const absent = ['gone', 'never'].map((name) => ({
    name,
    outcome: 'Unreachable' as const,
    reason: 'NotHeard',
  }))
  const sites = [
    { name: 'there', publicKey: A, connected: true, lastHeardTime: SINCE, version: 2 },
    { name: 'gone', publicKey: B, connected: false, lastHeardTime: SINCE },
  ]
  const messaging = { nats: { publicUrl: 'wss://fed.example.org/bus' } }
  const given = facts('Waiting', { clients: { absent, sites } }, { partitions, messaging })
  const view = viewOf(given)
  assert.deepEqual(
    view.clients.slice(1).map(({ name, state, message }) => [name, state, message]),
    [
      ['there', 'Connected', 'its agent speaks version 2 of the conversation'],
      [
        'gone',
        'Away',
        `the site was last heard at ${SINCE}; see whether its agent runs and reaches wss://fed.example.org/bus`,
      ],
      [
        'never',
        'NeverHeard',
        'the site has never connected to wss://fed.example.org/bus; have its agent started there',
      ],
    ],
  )
  assert.ok(view.waitsFor.includes('clients: near, gone, never'), String(view.waitsFor))
  const lines = statusLines(view, Date.parse(SINCE)).filter((line) => /there|gone|never/.test(line))
  assert.ok(lines.length >= 3 && !lines.some((line) => line.includes('pod')), lines.join('\n'))
  const says = judgeSites(given.job).map(({ verdict, says: said }) => [verdict, said])
  assert.deepEqual(says, [
    ['Ok', 'connected: there (version 2)'],
    ['Problem', `gone: the site was last heard at ${SINCE}`],
    ['Problem', 'never: the site has never connected to wss://fed.example.org/bus'],
  ])
  for (const state of ['Complete', 'Failed', 'Suspended'] as const) {
    const over = facts(state, { clients: { sites } }, { partitions })
    assert.deepEqual(judgeSites(over.job), [])
    assert.equal(viewOf(over).clients[2]?.state, state === 'Suspended' ? 'Suspended' : 'Over')
  }
  assert.deepEqual(judgeSites(facts('Waiting').job), [])
})

test('a site that declines the job is shown with its reason, although it is connected', () => {
  const publicKey = 'a'.repeat(64)
  const partitions = [{ name: 'near' }, { name: 'far', external: { publicKey } }]
  const absent = [
    { name: 'far', outcome: 'Refused' as const, reason: 'Declined', message: 'no such dataset' },
  ]
  const sites = [{ name: 'far', publicKey, connected: true, lastHeardTime: SINCE }]
  const view = viewOf(facts('Waiting', { clients: { absent, sites } }, { partitions }))
  assert.deepEqual(view.clients[1], {
    name: 'far',
    state: 'Refused',
    reason: 'Declined',
    message: 'no such dataset',
  })
  const silent = viewOf(facts('Training', { clients: { sites } }, { partitions }))
  assert.deepEqual(
    [silent.clients[1]?.state, silent.clients[1]?.message],
    ['Connected', ''],
    'no version is known',
  )
})
