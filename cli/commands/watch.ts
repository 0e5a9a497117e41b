// `fedsam watch`: a job's status, followed until it is over. A terminal sees the whole status anew, a pipe a line per change and
// the whole at the end.
import { setTimeout as sleep } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import { retry } from '#runtime/retry.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
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

/** Seconds after which pods are looked at again though the job did not change. */
const LOOK_AGAIN = 5
/** Requests in a row that may fail. */
const PATIENCE = 6
/** Seconds between them. */
const BACKOFF = { first: 0.5, longest: 30 }

/** 0: it is complete; 1: it failed. */
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

/** The facts now and after each change. Ends by an error: the job was deleted, or the cluster stays away. */
async function* follow(cluster: Cluster, first: JobFacts['job']): AsyncGenerator<JobFacts> {
  const { name, namespace, uid } = first.metadata
  let job = first
  for (;;) {
    yield await patiently(() => gatherFacts(cluster, job))
    await untilChanged(cluster, job)
    const now = await patiently(() => cluster.find<JobFacts['job']>({ ...FEDERATED_JOBS, namespace, name }))
    if (now?.metadata.uid !== uid)
      throw new FedsamError('RunFailed', `FederatedJob ${name} in namespace ${namespace} was deleted`)
    job = now
  }
}

/** Retries a request of the cluster, unless its failure is final. */
function patiently<T>(request: () => Promise<T>): Promise<T> {
  const onFailure = (error: unknown, failures: number): undefined => {
    const isFinal = error instanceof FedsamError && error.code !== 'ClusterUnreachable'
    if (isFinal || failures > PATIENCE) throw error
    printError(`fedsam: ${(error as Error).message}; trying again`)
  }
  return retry(request, { backoff: BACKOFF, onFailure })
}

/** Resolves at the job's next change, or when it is time to look at its pods again. */
async function untilChanged(cluster: Cluster, { metadata }: JobFacts['job']): Promise<void> {
  const query = {
    watch: 'true',
    fieldSelector: `metadata.name=${metadata.name}`,
    resourceVersion: metadata.resourceVersion ?? '',
    timeoutSeconds: String(LOOK_AGAIN),
  }
  const path = pathFor({ ...FEDERATED_JOBS, namespace: metadata.namespace, query })
  try {
    for await (const _ of cluster.client.lines({ path }, 2 * LOOK_AGAIN)) return
  } catch (error) {
    // The look that follows says what is wrong; who may not watch looks again and again.
    await sleep((error instanceof ApiError ? LOOK_AGAIN : 1) * 1000)
  }
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
