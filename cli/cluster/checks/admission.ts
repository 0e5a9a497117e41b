// Checks whether the cluster would accept a job that does not exist yet: the API server judges it in a dry run, with the schema, the
// policies on authors, and the caller as the author; the operator's own rules hold where those policies are absent.

import { POD_TEMPLATES } from '#operator/objects/settings.ts'
import type { StoredJob } from '#operator/objects/shapes.ts'
import { forbidden } from '#operator/reconcile/author-rules.ts'
import { API_VERSION, jobsPath, KIND } from '#protocol/api.ts'
import { OPERATOR } from '#protocol/environment.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import type { Cluster } from '../connect.ts'
import { type Finding, ok, problem } from './finding.ts'
import { operatorsFor, variable } from './operator.ts'

const SUBJECT = 'admission'

/** One finding: the job is accepted, or what is wrong with it. */
export async function checkAdmission(
  cluster: Cluster,
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
): Promise<Finding> {
  const refused = (await dryRun(cluster, job)) ?? (await brokenRule(cluster, job, spec))
  if (refused !== undefined) return problem(SUBJECT, refused, 'correct the job, or ask an administrator')
  return ok(SUBJECT, `the cluster accepts the job in namespace ${job.metadata.namespace}`)
}

/** What the API server says against the job; undefined where it accepts the job, or has one of this name. */
async function dryRun(cluster: Cluster, { metadata, spec }: StoredJob): Promise<string | undefined> {
  const { name, namespace } = metadata
  const body = { apiVersion: API_VERSION, kind: KIND, metadata: { name, namespace }, spec }
  const call = { method: 'POST', path: `${jobsPath(namespace)}?dryRun=All`, body } as const
  try {
    await cluster.call(call, `create federatedjobs in namespace ${namespace}`)
    return undefined
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return error.status === 409 ? undefined : error.message
  }
}

/** The rule of an operator of this namespace that the job breaks. */
async function brokenRule(
  cluster: Cluster,
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
): Promise<string | undefined> {
  const operators = await operatorsFor(cluster)
  return operators
    .map((deployment) => {
      const value = variable(deployment, OPERATOR.podTemplates.name)
      const podTemplates = POD_TEMPLATES.find((known) => known === value) ?? 'Restricted'
      return forbidden(job, spec, { podTemplates, home: deployment.metadata.namespace })?.message
    })
    .find((message) => message !== undefined)
}
