// `fedsam doctor`: checks whether a cluster has what FederatedJobs need, and what one job names. Prints one line per finding,
// with a remedy.
import type { StoredJob } from '#operator/objects/shapes.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { checkAccelerators } from '../cluster/checks/accelerators.ts'
import { checkAdmission } from '../cluster/checks/admission.ts'
import { checkDefinition } from '../cluster/checks/definition.ts'
import { checked, type Finding } from '../cluster/checks/finding.ts'
import { checkGate } from '../cluster/checks/gate.ts'
import { checkNamedObjects } from '../cluster/checks/named-objects.ts'
import { checkOperator } from '../cluster/checks/operator.ts'
import { checkPermissions } from '../cluster/checks/permissions.ts'
import { judgeImages, judgePods } from '../cluster/checks/pods.ts'
import { checkBus, checkStore } from '../cluster/checks/servers.ts'
import { judgeSites } from '../cluster/checks/sites.ts'
import { checkSourceRecord } from '../cluster/checks/source-record.ts'
import { type Cluster, withCluster } from '../cluster/connect.ts'
import { findJob } from '../cluster/find-job.ts'
import { gatherFacts } from '../cluster/job-facts.ts'
import { jobBucket, SOURCE_OPTIONS, type SourceOptions } from '../cluster/source.ts'
import { loadJob } from '../job/load.ts'
import { findingLines } from '../render/findings.ts'
import { jsonLine, plainData } from '../render/plain.ts'
import { print } from '../render/screen.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'
import { paintTerminal } from './status.ts'

/** Resolves to 0 without a problem, to 1 with one. */
export const doctor: RunCommand = async (args) => {
  const options = {
    ...SOURCE_OPTIONS,
    file: { type: 'string', short: 'f' },
    nats: { type: 'string' },
    json: { type: 'boolean' },
  } as const
  // NAME is optional: without it no argument follows the options.
  const { values, positionals } = readArguments(args, options, [], ['NAME'])
  const name = positionals[0]
  if (name !== undefined && values.file !== undefined)
    throw new UsageError('NAME and --file name two jobs: remove one of them')
  const loaded = values.file === undefined ? undefined : await loadJob(values.file)
  // Like kubectl, use the context's namespace for a file that names none.
  const inFile = loaded?.namespace === 'default' ? undefined : loaded?.namespace
  return withCluster({ ...values, namespace: values.namespace ?? inFile }, async (cluster) => {
    const job = loaded && newJob(loaded, cluster.namespace)
    const stored = name === undefined ? undefined : await findJob(cluster, name)
    const findings = await examine(cluster, { ...values, job: job ?? stored, stored })
    if (values.json) print(jsonLine(findings))
    else print(findingLines(plainData(findings), paintTerminal).join('\n'), { painted: true })
    return findings.some(({ verdict }) => verdict === 'Problem') ? 1 : 0
  })
}

/** A job that does not exist yet; its uid only names the place of the probe. */
function newJob(
  { name, spec }: { name: string; spec: CompleteFederatedJobSpec },
  namespace: string,
): StoredJob {
  return { metadata: { name, namespace, uid: 'doctor' }, spec }
}

interface Examined extends SourceOptions {
  readonly job?: StoredJob | undefined
  /** The job, where it exists in the cluster and may have pods. */
  readonly stored?: StoredJob | undefined
  readonly nats?: string | undefined
}

async function examine(cluster: Cluster, examined: Examined): Promise<Finding[]> {
  const { job, stored, nats } = examined
  const spec = job && completeSpec(job.spec)
  const found = [
    await checked('FederatedJobs', () => checkDefinition(cluster)),
    await checked('operator', () => checkOperator(cluster)),
    await checked('your rights', () => checkPermissions(cluster)),
    await checked('accelerators', () => checkAccelerators(cluster, spec)),
  ]
  if (job && spec) {
    if (!stored) found.push(await checked('admission', () => checkAdmission(cluster, job, spec)))
    found.push(
      await checked('named objects', () => checkNamedObjects(cluster, job.metadata.namespace, spec)),
      await checked('store', async () => checkStore(await jobBucket(cluster, job, examined))),
      await checked('bus', () => checkBus(spec, nats)),
      await checked('gate', () => checkGate(cluster, spec, stored)),
      ...(spec.resumeFrom == null
        ? []
        : [
            await checked('resumeFrom', async () =>
              checkSourceRecord(await jobBucket(cluster, job, examined), spec.resumeFrom!),
            ),
          ]),
      judgeImages(spec),
    )
  }
  if (stored) found.push(judgeSites(stored))
  if (stored) found.push(await checked('pods', async () => judgePods(await gatherFacts(cluster, stored))))
  return found.flat()
}
