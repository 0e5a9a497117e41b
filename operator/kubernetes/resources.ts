// The kinds that the operator reads and writes, and their paths in the API.

interface Resource {
  readonly group: string
  readonly plural: string
}

/** What a FederatedJob becomes. */
export const CHILD_KINDS: Readonly<Record<string, Resource>> = {
  ServiceAccount: { group: 'api/v1', plural: 'serviceaccounts' },
  Role: { group: 'apis/rbac.authorization.k8s.io/v1', plural: 'roles' },
  RoleBinding: { group: 'apis/rbac.authorization.k8s.io/v1', plural: 'rolebindings' },
  NetworkPolicy: { group: 'apis/networking.k8s.io/v1', plural: 'networkpolicies' },
  Job: { group: 'apis/batch/v1', plural: 'jobs' },
}

const OTHERS: Readonly<Record<string, Resource>> = {
  FederatedJob: { group: 'apis/fedsam.dev/v1alpha1', plural: 'federatedjobs' },
  Pod: { group: 'api/v1', plural: 'pods' },
  Event: { group: 'apis/events.k8s.io/v1', plural: 'events' },
}

/** The path of a kind in a namespace, or of one object of it. Throws RangeError for a kind that is not ours. */
export function pathOf(kind: string, namespace: string, name?: string): string {
  const resource = CHILD_KINDS[kind] ?? OTHERS[kind]
  if (!resource) throw new RangeError(`kind ${kind} is not one that the operator works with`)
  const list = `/${resource.group}/namespaces/${namespace}/${resource.plural}`
  return name === undefined ? list : `${list}/${name}`
}
