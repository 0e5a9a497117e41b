// The operator's metrics: those that every controller has, under controller-runtime's names, so that existing
// dashboards work, and fedsam_* of our own. No label is the name of an object.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { KIND, OPERATOR_NAME } from '#protocol/api.ts'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { CHILD_KINDS, targetOf } from './kubernetes/client/resources.ts'
import type { QueueMeter, WorkQueue } from './kubernetes/pass/queue.ts'

/** What is counted when somebody asks. */
export interface Facts {
  readonly queue: Pick<WorkQueue, 'depth' | 'running'>
  /** The state of every FederatedJob; empty where it has none yet. */
  states(): Iterable<string>
  isLeader(): boolean
  connections(): number
}

export interface Metrics {
  readonly meter: QueueMeter
  /** The same client, counted. */
  metered(client: KubernetesClient, host: string): KubernetesClient
  /** From now on these are read at each scrape. */
  observe(facts: Facts): void
  text(): Promise<string>
  readonly type: string
}

const CONTROLLER = { controller: 'federatedjob' }
const QUEUE = { name: 'federatedjob', controller: 'federatedjob' }
/** controller-runtime's, thinned. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export function openMetrics(workers: number): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const { meter, observe } = ofQueue(registry, workers)
  return {
    meter,
    metered: clientMeter(registry),
    observe,
    text: () => registry.metrics(),
    type: registry.contentType,
  }
}

function ofQueue(registry: Registry, workers: number): Pick<Metrics, 'meter' | 'observe'> {
  const registers = [registry]
  const histogram = (name: string, help: string, labels: object): Histogram =>
    new Histogram({ name, help, labelNames: Object.keys(labels), buckets: SECONDS, registers })
  const counter = (name: string, help: string, labels: readonly string[]): Counter =>
    new Counter({ name, help, labelNames: labels, registers })
  const gauge = (name: string, help: string, labels: object, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: Object.keys(labels),
      registers,
      collect() {
        this.set({ ...labels }, read())
      },
    })

  const total = counter('controller_runtime_reconcile_total', 'Reconciliations by result', [
    'controller',
    'result',
  ])
  const errors = counter('controller_runtime_reconcile_errors_total', 'Failed reconciliations', [
    'controller',
  ])
  const time = histogram(
    'controller_runtime_reconcile_time_seconds',
    'Duration of a reconciliation',
    CONTROLLER,
  )
  const adds = counter('workqueue_adds_total', 'Keys added to the queue', ['name', 'controller'])
  const retries = counter('workqueue_retries_total', 'Keys tried again', ['name', 'controller'])
  const waited = histogram('workqueue_queue_duration_seconds', 'How long a key waited', QUEUE)
  const worked = histogram('workqueue_work_duration_seconds', 'How long a key was worked on', QUEUE)
  for (const result of ['success', 'error', 'requeue_after']) total.inc({ ...CONTROLLER, result }, 0)
  for (const zero of [errors, counter('controller_runtime_reconcile_panics_total', 'Panics', ['controller'])])
    zero.inc(CONTROLLER, 0)
  for (const zero of [adds, retries]) zero.inc(QUEUE, 0)
  gauge('controller_runtime_max_concurrent_reconciles', 'Workers', CONTROLLER, () => workers)

  const meter: QueueMeter = {
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
  const observe = ({ queue, states, isLeader, connections }: Facts): void => {
    const seconds = (): number[] => queue.running().map((milliseconds) => milliseconds / 1000)
    gauge('controller_runtime_active_workers', 'Workers at work', CONTROLLER, () => queue.running().length)
    gauge('workqueue_depth', 'Keys that wait', QUEUE, () => queue.depth())
    gauge('workqueue_unfinished_work_seconds', 'Work under way', QUEUE, () =>
      seconds().reduce((a, b) => a + b, 0),
    )
    gauge('workqueue_longest_running_processor_seconds', 'The longest under way', QUEUE, () =>
      Math.max(0, ...seconds()),
    )
    const lease = { name: OPERATOR_NAME }
    gauge('leader_election_master_status', '1: this process leads', lease, () => Number(isLeader()))
    gauge('fedsam_kubernetes_connections', 'Connections to the API server', {}, connections)
    new Gauge({
      name: 'fedsam_jobs',
      help: 'FederatedJobs by state',
      labelNames: ['state'],
      registers,
      collect() {
        this.reset()
        for (const state of states()) this.inc({ state: state || 'New' })
      },
    })
  }
  return { meter, observe }
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
