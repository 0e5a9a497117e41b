// A coordinator's metrics, counted from the events of its run. Prometheus reads them at /metrics (runtime/probe-server.ts). Each
// series has the job's name and namespace as labels, since each coordinator is a target of its own. No label has a client's name.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RunEvent } from '#protocol/events.ts'

export interface Metrics {
  observe(event: RunEvent): void
  text(): Promise<string>
  readonly type: string
}

/** Bounds of the buckets of a round's duration, in seconds: rounds take seconds to a day. */
const SECONDS = [1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600]

export function openMetrics(job: { readonly namespace: string; readonly name: string }): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ job_namespace: job.namespace, job_name: job.name })
  collectDefaultMetrics({ register: registry })
  const handlers = handlersOf(registry)
  return {
    observe: (event) => (handlers[event.event] as ((event: RunEvent) => void) | undefined)?.(event),
    text: () => registry.metrics(),
    type: registry.contentType,
  }
}

type Handlers = { readonly [K in RunEvent['event']]?: (event: Extract<RunEvent, { event: K }>) => void }

function handlersOf(registry: Registry): Handlers {
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    new Gauge({ name, help, labelNames, registers })
  const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
    new Counter({ name, help, labelNames, registers })

  const epoch = gauge('fedsam_epoch', 'Which start of a coordinator this is, counted from 1')
  const round = gauge('fedsam_round', 'The open round, or the last one')
  const attempt = gauge('fedsam_attempt', 'The attempt at that round')
  const wanted = gauge('fedsam_rounds', 'Rounds that the job asks for')
  const clients = gauge('fedsam_clients', 'Partitions by state', ['state'])
  const rounds = counter('fedsam_rounds_total', 'Completed rounds')
  const abandoned = counter('fedsam_attempts_abandoned_total', 'Abandoned attempts by reason', ['reason'])
  const updates = counter('fedsam_updates_total', 'Clients in completed rounds, by outcome', ['outcome'])
  const received = counter('fedsam_bytes_received_total', 'Bytes of admitted updates')
  const sent = counter(
    'fedsam_bytes_sent_total',
    'Bytes of models and checkpoint files that clients were granted to read',
  )
  const duration = new Histogram({
    name: 'fedsam_round_duration_seconds',
    help: 'Seconds from the first wait of an attempt to its decision',
    buckets: SECONDS,
    registers,
  })
  const loss = gauge('fedsam_evaluation_loss', 'Held-out loss of the newest evaluated model')
  const outliers = gauge(
    'fedsam_outliers',
    'Clients of the newest round with a norm or a loss above ten times the median',
  )
  const count = (state: string, value: number): void => clients.set({ state }, value)
  return {
    RunStarted(event) {
      epoch.set(event.epoch)
      round.set(event.completed)
      wanted.set(event.rounds)
      count('total', event.roster.length)
    },
    ClientJoined: ({ available }) => count('available', available),
    Waiting(event) {
      count('total', event.roster.length)
      count('available', event.available.length)
    },
    AttemptOpened(event) {
      round.set(event.round)
      attempt.set(event.attempt)
      count('total', event.roster.length)
      count('available', event.roster.length - event.absent.length)
      count('cohort', event.cohort.length)
    },
    UpdateAdmitted: ({ bytes }) => received.inc(bytes),
    AttemptAbandoned: ({ reason }) => abandoned.inc({ reason }),
    RoundCompleted(event) {
      sent.inc(event.sentBytes)
      outliers.set(new Set(event.outliers.map(({ client }) => client)).size)
      if (event.evaluation !== null) loss.set(event.evaluation.loss)
      if (event.kind === 'Evaluate') return
      rounds.inc()
      duration.observe(event.seconds)
      for (const { outcome } of event.outcomes) updates.inc({ outcome })
    },
  }
}
