// The kinds that the operator reads and writes, their paths in the API, and back: what a call is in the words of RBAC.
import { API_VERSION, KIND, PLURAL } from '#protocol/api.ts'
import type { Call } from '#transport/kubernetes/calls.ts'

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

const KINDS: Readonly<Record<string, Resource>> = {
  ...CHILD_KINDS,
  [KIND]: { group: `apis/${API_VERSION}`, plural: PLURAL },
  Pod: { group: 'api/v1', plural: 'pods' },
  Event: { group: 'apis/events.k8s.io/v1', plural: 'events' },
  Lease: { group: 'apis/coordination.k8s.io/v1', plural: 'leases' },
}

/** The path of a kind in a namespace (in all where it is undefined), or of one object. Throws RangeError for an unknown kind. */
export function pathOf(kind: string, namespace: string | undefined, name?: string): string {
  const resource = KINDS[kind]
  if (!resource) throw new RangeError(`kind ${kind} is not one that the operator works with`)
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  const list = `/${resource.group}${scope}/${resource.plural}`
  return name === undefined ? list : `${list}/${name}`
}

/** apiVersion of a kind: batch/v1. */
export function apiVersionOf(kind: string): string {
  return (KINDS[kind]?.group ?? '').replace(/^apis?\//, '')
}

/** What a path names. */
export interface Target {
  /** One of ours, or undefined. */
  readonly kind: string | undefined
  /** Without version; empty for the core group. */
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  /** Empty for a list. */
  readonly name: string
}

/** The reverse of pathOf, with the subresource; the query is not looked at. Throws RangeError for a path of another form. */
export function targetOf(path: string): Target {
  const form =
    /^\/(api|apis\/(?<group>[^/?]+))\/[^/?]+(\/namespaces\/(?<namespace>[^/?]+))?\/(?<resource>[^/?]+)(\/(?<name>[^/?]+))?(\/(?<subresource>[^/?]+))?(\?|$)/
  const found = form.exec(path)?.groups
  if (!found) throw new RangeError(`${path} is no path of a resource`)
  const { group = '', namespace = '', resource = '', name = '', subresource = '' } = found
  const kind = Object.keys(KINDS).find(
    (candidate) =>
      KINDS[candidate]!.plural === resource && apiVersionOf(candidate).replace(/\/?v[^/]*$/, '') === group,
  )
  return { kind, group, resource, subresource, namespace, name }
}

/** A call as RBAC judges it. */
export interface Verb {
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'
}

/** What the caller must be allowed. A server-side apply that creates its object needs `create` as well as `patch`. */
export function verbOf({ method, path }: Pick<Call, 'method' | 'path'>): Verb {
  const { group, resource, subresource, name } = targetOf(path)
  return { group, resource, subresource, verb: method === 'GET' ? reading(path, name) : WRITING[method] }
}

const WRITING = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const

function reading(path: string, name: string): 'get' | 'list' | 'watch' {
  if (/[?&]watch=(true|1)(&|$)/.test(path)) return 'watch'
  return name === '' ? 'list' : 'get'
}
