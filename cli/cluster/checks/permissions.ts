// Checks whether the caller has the rights of a user of FederatedJobs. It asks the API server, and tries nothing.
import { GROUP, PLURAL } from '#protocol/api.ts'
import type { Cluster } from '../connect.ts'
import { type Finding, ok, problem } from './finding.ts'

const SUBJECT = 'your rights'
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'

interface Wanted {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** The command that needs the right. */
  readonly for: string
}

const JOBS = { group: GROUP, resource: PLURAL }
const WANTED: readonly Wanted[] = [
  { ...JOBS, verb: 'create', for: 'kubectl apply' },
  { ...JOBS, verb: 'patch', for: 'kubectl apply' },
  { ...JOBS, verb: 'get', for: 'fedsam status' },
  { ...JOBS, verb: 'watch', for: 'fedsam watch' },
  { verb: 'list', group: '', resource: 'pods', for: 'fedsam status' },
  { verb: 'get', group: '', resource: 'pods', subresource: 'log', for: 'fedsam logs' },
]

/** One finding per missing right, or one for all. */
export async function checkPermissions(cluster: Cluster): Promise<Finding[]> {
  const { namespace } = cluster
  const allowed = await Promise.all(WANTED.map((wanted) => mayI(cluster, wanted)))
  const missing = WANTED.filter((_, i) => !allowed[i])
  if (missing.length === 0) {
    return [ok(SUBJECT, `you may create and follow FederatedJobs in ${namespace}, and read their pods' logs`)]
  }
  return missing.map((wanted) =>
    problem(
      SUBJECT,
      `you may not ${words(wanted)} in namespace ${namespace}, which ${wanted.for} needs`,
      `ask an administrator of the cluster for a role that may ${words(wanted)}`,
    ),
  )
}

async function mayI(cluster: Cluster, { verb, group, resource, subresource }: Wanted): Promise<boolean> {
  const { namespace } = cluster
  const resourceAttributes = { namespace, verb, group, resource, ...(subresource ? { subresource } : {}) }
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  }
  const { status } = await cluster.call<{ status: { allowed: boolean } }>(
    { method: 'POST', path: REVIEWS, body },
    'create selfsubjectaccessreviews',
  )
  return status.allowed
}

function words({ verb, resource, subresource }: Wanted): string {
  return `${verb} ${resource}${subresource ? `/${subresource}` : ''}`
}
