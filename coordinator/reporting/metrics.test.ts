// The metrics that a coordinator counts from the events of a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '#protocol/events.ts'
import { openMetrics } from './metrics.ts'

test('metrics count the run, without names of clients', async () => {
  const metrics = openMetrics({ namespace: 'team-a', name: 'brain' })
  const outcome = (client: string, outcome: 'Accepted' | 'Late') => ({
    client,
    outcome,
    reason: '',
    message: '',
  })
  const outcomes = [outcome('site-a', 'Accepted'), outcome('site-b', 'Late')]
  const events: readonly RunEvent[] = [
    {
      event: 'RunStarted',
      name: 'brain',
      epoch: 3,
      rounds: 5,
      completed: 0,
      roster: ['site-a', 'site-b'],
      head: null,
      best: null,
      newest: [],
    },
    {
      event: 'AttemptOpened',
      round: 1,
      attempt: 2,
      kind: 'Train',
      roster: ['site-a', 'site-b'],
      cohort: ['site-a', 'site-b'],
      evaluators: [],
      absent: [],
    },
    { event: 'UpdateAdmitted', round: 1, client: 'site-a', numExamples: 3, bytes: 100 },
    {
      event: 'RoundCompleted',
      round: 1,
      attempt: 2,
      kind: 'Train',
      cohort: [],
      accepted: [],
      outcomes,
      evaluation: { loss: 0.5, numExamples: 1, metrics: {} },
      evaluations: [],
      notEvaluated: [],
      outliers: [
        { client: 'site-a', measure: 'Norm', value: 90, median: 1 },
        { client: 'site-a', measure: 'Loss', value: 90, median: 1 },
      ],
      metrics: {},
      seconds: 4,
      head: '',
      best: null,
      sentBytes: 200,
    },
  ]
  for (const event of events) metrics.observe(event)
  assert.match(metrics.type, /^text\/plain/)
  const text = await metrics.text()
  const job = 'job_namespace="team-a",job_name="brain"'
  for (const line of [
    `fedsam_epoch{${job}} 3`,
    `fedsam_round{${job}} 1`,
    `fedsam_attempt{${job}} 2`,
    `fedsam_rounds_total{${job}} 1`,
    `fedsam_clients{state="available",${job}} 2`,
    `fedsam_updates_total{outcome="Late",${job}} 1`,
    `fedsam_bytes_received_total{${job}} 100`,
    `fedsam_bytes_sent_total{${job}} 200`,
    `fedsam_round_duration_seconds_bucket{le="5",${job}} 1`,
    `fedsam_evaluation_loss{${job}} 0.5`,
    `fedsam_outliers{${job}} 1`,
  ])
    assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`)
  assert.doesNotMatch(text, /site-/)
})
