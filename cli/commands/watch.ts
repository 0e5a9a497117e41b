// `fedsam watch`: follows a job's status until the job ends. A terminal shows the whole status after each change; a pipe gets one
// line per change, and the whole status at the end.
import { FedsamError } from '#protocol/errors.ts'
import { systemClock } from '#runtime/clock.ts'
import { retry } from '#runtime/retry.ts'
import { watch as watchPath } from '#transport/kubernetes/watch.ts'
import { CLUSTER_OPTIONS, type Cluster, withCluster } from '../cluster/connect.ts'
import { findJob } from '../cluster/find-job.ts'
import { gatherFacts, type JobFacts } from '../cluster/job-facts.ts'
import { type JobView, viewOf } from '../cluster/job-view.ts'
import { FEDERATED_JOBS, pathFor } from '../cluster/questions.ts'
import { jsonLine, plainData } from '../render/plain.ts'
import { clearScreen, print, printError } from '../render/screen.ts'
import { statusLines, summaryLine } from '../render/status.ts'
import { type RunCommand, readArguments } from './command.ts'
import { paintTerminal } from './status.ts'

/** Seconds after which the pods are read again, even if the job did not change. */
const LOOK_AGAIN = 5
/** Failed requests in a row before the command gives up. */
const PATIENCE = 6
/** Seconds between them. */
const BACKOFF = { first: 0.5, longest: 30 }

/** Resolves to 0 when the job is complete, to 1 when it failed. */
export const watch: RunCommand = async (args) => {
  const options = { ...CLUSTER_OPTIONS, json: { type: 'boolean' } } as const
  const { values, positionals } = readArguments(args, options, ['NAME'])
  return withCluster(values, async (cluster) => {
    const show = values.json ? showJson() : process.stdout.isTTY ? showScreen : showLines()
    const first = await findJob(cluster, positionals[0]!)
    for await (const facts of follow(cluster, first)) {
      const view = viewOf(facts)
      show(view)
      if (view.state === 'Complete') return 0
      if (view.state === 'Failed') return 1
    }
    return 1
  })
}

/**
 * The facts now, after each change of the job, and every few seconds. Throws when the job is deleted, or the cluster stays
 * unreachable.
 */
async function* follow(cluster: Cluster, first: JobFacts['job']): AsyncGenerator<JobFacts> {
  const { name, namespace, uid } = first.metadata
  const clock = systemClock()
  const over = new AbortController()
  let job = first
  let change = Promise.withResolvers<void>()
  const find = () => cluster.find<JobFacts['job']>({ ...FEDERATED_JOBS, namespace, name })
  void watchJob(cluster, first, { find, changed: () => change.resolve(), signal: over.signal })
  try {
    for (;;) {
      change = Promise.withResolvers()
      yield await patiently(() => gatherFacts(cluster, job))
      const waited = new AbortController()
      await Promise.race([change.promise, clock.sleep(LOOK_AGAIN, waited.signal)])
      waited.abort()
      const now = await patiently(find)
      if (now?.metadata.uid !== uid)
        throw new FedsamError('RunFailed', `FederatedJob ${name} in namespace ${namespace} was deleted`, {
          remedy: 'create it again to follow it',
        })
      job = now
    }
  } finally {
    over.abort()
  }
}

/** Retries a request of the cluster, unless its failure is final. */
function patiently<T>(request: () => Promise<T>): Promise<T> {
  const onFailure = (error: unknown, failures: number): undefined => {
    const isFinal = error instanceof FedsamError && error.code !== 'ClusterUnreachable'
    if (isFinal || failures > PATIENCE) throw error
    printError(`fedsam: ${(error as Error).message}; retrying`)
  }
  return retry(request, { backoff: BACKOFF, onFailure })
}

interface Following {
  readonly find: () => Promise<JobFacts['job'] | undefined>
  readonly changed: () => void
  readonly signal: AbortSignal
}

/**
 * Calls `changed` at each change of the job. Ignores a failed watch: the regular requests fail for the same reason and report it.
 */
function watchJob(
  cluster: Cluster,
  { metadata: { name, namespace, resourceVersion } }: JobFacts['job'],
  { find, changed, signal }: Following,
): Promise<void> {
  return watchPath<JobFacts['job']>(cluster.client, {
    path: pathFor({ ...FEDERATED_JOBS, namespace }),
    selector: `fieldSelector=metadata.name=${name}`,
    handler: {
      async read() {
        const version = (await find())?.metadata.resourceVersion ?? ''
        if (version !== resourceVersion) changed()
        return version
      },
      changed,
      deleted: changed,
      reached() {},
    },
    onError() {},
    signal,
  })
}

function showScreen(view: JobView): void {
  clearScreen()
  print(statusLines(plainData(view), Date.now(), paintTerminal).join('\n'), { painted: true })
}

function showLines(): (view: JobView) => void {
  let before = ''
  return (view) => {
    const line = summaryLine(plainData(view))
    if (line !== before) print(line)
    before = line
    if (view.state === 'Complete' || view.state === 'Failed')
      print(`\n${statusLines(plainData(view), Date.now()).join('\n')}`)
  }
}

function showJson(): (view: JobView) => void {
  let before = ''
  return (view) => {
    const line = jsonLine(view)
    if (line !== before) print(line)
    before = line
  }
}
