// The operator's metrics. Those that every controller has are named as in controller-runtime, so that existing dashboards work;
// our own begin with fedsam_. No label holds the name of an object, so the number of time series is bounded.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { KIND, OPERATOR_NAME } from '#protocol/api.ts'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { CHILD_KINDS, targetOf } from './kubernetes/client/resources.ts'
import type { QueueMeter, WorkQueue } from './kubernetes/pass/queue.ts'

/** Facts that gauges read at each scrape. */
export interface Facts {
  readonly queue: Pick<WorkQueue, 'depth' | 'running'>
  /** The state of every FederatedJob; empty for a job without a state. */
  states(): Iterable<string>
  isLeader(): boolean
  connections(): number
}

export interface Metrics {
  /** Counts the work of the queue. */
  readonly meter: QueueMeter
  /** The same client; its calls are counted. `host` is the value of a label. */
  metered(client: KubernetesClient, host: string): KubernetesClient
  /** Adds the gauges. Call it once. */
  observe(facts: Facts): void
  /** All metrics in Prometheus' text format, whose content type is `type`. */
  text(): Promise<string>
  readonly type: string
}

const CONTROLLER = { controller: 'federatedjob' }
const QUEUE = { name: 'federatedjob', controller: 'federatedjob' }
/** Bounds of the buckets of durations, in seconds: a selection of controller-runtime's. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export function openMetrics(workers: number): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return {
    meter: queueMeter(registry),
    metered: clientMeter(registry),
    observe: (facts) => openGauges(registry, workers, facts),
    text: () => registry.metrics(),
    type: registry.contentType,
  }
}

/** Creates metrics with fixed sets of labels in a registry. */
function instruments(registry: Registry) {
  const registers = [registry]
  return {
    histogram: (name: string, help: string, labels: object): Histogram =>
      new Histogram({ name, help, labelNames: Object.keys(labels), buckets: SECONDS, registers }),
    counter: (name: string, help: string, labelNames: readonly string[]): Counter =>
      new Counter({ name, help, labelNames, registers }),
    gauge: (name: string, help: string, labels: object, read: () => number): Gauge =>
      new Gauge({
        name,
        help,
        labelNames: Object.keys(labels),
        registers,
        collect() {
          this.set({ ...labels }, read())
        },
      }),
  }
}

function queueMeter(registry: Registry): QueueMeter {
  const { counter, histogram } = instruments(registry)
  const controller = ['controller']
  const total = counter('controller_runtime_reconcile_total', 'Passes by result', [...controller, 'result'])
  const errors = counter('controller_runtime_reconcile_errors_total', 'Failed passes', controller)
  const panics = counter('controller_runtime_reconcile_panics_total', 'Panics', controller)
  const time = histogram('controller_runtime_reconcile_time_seconds', 'Duration of a pass', CONTROLLER)
  const adds = counter('workqueue_adds_total', 'Keys added to the queue', ['name', 'controller'])
  const retries = counter('workqueue_retries_total', 'Keys added again after a pass', ['name', 'controller'])
  const waited = histogram('workqueue_queue_duration_seconds', 'How long a key waited', QUEUE)
  const worked = histogram('workqueue_work_duration_seconds', 'How long a key was worked on', QUEUE)
  // A counter that starts at 0 shows its first increase; one that appears with 1 does not.
  for (const result of ['success', 'error', 'requeue_after']) total.inc({ ...CONTROLLER, result }, 0)
  for (const zero of [errors, panics]) zero.inc(CONTROLLER, 0)
  for (const zero of [adds, retries]) zero.inc(QUEUE, 0)
  return {
    added: () => adds.inc(QUEUE),
    started: (seconds) => waited.observe(QUEUE, seconds),
    ended(result, seconds) {
      total.inc({ ...CONTROLLER, result })
      time.observe(CONTROLLER, seconds)
      worked.observe(QUEUE, seconds)
      if (result === 'error') errors.inc(CONTROLLER)
      if (result !== 'success') retries.inc(QUEUE)
    },
  }
}

function openGauges(
  registry: Registry,
  workers: number,
  { queue, states, isLeader, connections }: Facts,
): void {
  const { gauge } = instruments(registry)
  const seconds = (): number[] => queue.running().map((milliseconds) => milliseconds / 1000)
  gauge('controller_runtime_max_concurrent_reconciles', 'Workers', CONTROLLER, () => workers)
  gauge('controller_runtime_active_workers', 'Workers at work', CONTROLLER, () => queue.running().length)
  gauge('workqueue_depth', 'Keys that wait', QUEUE, () => queue.depth())
  gauge('workqueue_unfinished_work_seconds', 'Work under way', QUEUE, () =>
    seconds().reduce((a, b) => a + b, 0),
  )
  gauge('workqueue_longest_running_processor_seconds', 'The longest pass under way', QUEUE, () =>
    Math.max(0, ...seconds()),
  )
  const lease = { name: OPERATOR_NAME }
  gauge('leader_election_master_status', '1: this process leads', lease, () => Number(isLeader()))
  gauge('fedsam_kubernetes_connections', 'Connections to the API server', {}, connections)
  new Gauge({
    name: 'fedsam_jobs',
    help: 'FederatedJobs by state',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const state of states()) this.inc({ state: state || 'New' })
    },
  })
}

const CHANGES = { POST: 'Create', PATCH: 'Apply', PUT: 'Update', DELETE: 'Delete' } as const

function clientMeter(registry: Registry): Metrics['metered'] {
  const registers = [registry]
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by status',
    labelNames: ['code', 'method', 'host'],
    registers,
  })
  const duration = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long requests took',
    labelNames: ['verb', 'host'],
    buckets: SECONDS,
    registers,
  })
  const childWrites = new Counter({
    name: 'fedsam_children_writes_total',
    help: 'Changes of children that the API server accepted',
    labelNames: ['kind', 'write'],
    registers,
  })
  const statusWrites = new Counter({
    name: 'fedsam_status_writes_total',
    help: 'Changes of the status of FederatedJobs that the API server accepted',
    registers,
  })
  const count = ({ method, path }: Pick<Call, 'method' | 'path'>): void => {
    const { kind, subresource } = targetOf(path)
    if (method === 'GET' || kind === undefined) return
    if (kind in CHILD_KINDS) childWrites.inc({ kind, write: CHANGES[method] })
    else if (kind === KIND && subresource === 'status') statusWrites.inc()
  }
  const codeOf = (error: unknown): string => (error instanceof ApiError ? String(error.status) : '<error>')
  return (client, host) => ({
    ...client,
    async call<T>(asked: Call): Promise<T> {
      const end = duration.startTimer({ verb: asked.method, host })
      try {
        const answer = await client.call<T>(asked)
        requests.inc({ code: '200', method: asked.method, host })
        count(asked)
        return answer
      } catch (error) {
        requests.inc({ code: codeOf(error), method: asked.method, host })
        throw error
      } finally {
        end()
      }
    },
    async *lines<T>(asked: Pick<Call, 'path' | 'signal'>, quietSeconds: number) {
      try {
        yield* client.lines<T>(asked, quietSeconds)
        requests.inc({ code: '200', method: 'GET', host })
      } catch (error) {
        requests.inc({ code: codeOf(error), method: 'GET', host })
        throw error
      }
    },
  })
}
