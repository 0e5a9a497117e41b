// The kinds that the operator reads and writes: from a kind to its path in the API, and from a path to its kind and
// its RBAC verb. Pure.
import { API_VERSION, KIND, PLURAL } from '#protocol/api.ts'
import type { Call } from '#transport/kubernetes/calls.ts'

interface Resource {
  readonly group: string
  readonly plural: string
}

/** Kinds of a FederatedJob's children. */
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

/**
 * The path of one object, or of a kind in a namespace, or of a kind in all namespaces. Throws RangeError for an
 * unknown kind.
 */
export function pathOf(kind: string, namespace: string | undefined, name?: string): string {
  const resource = KINDS[kind]
  if (!resource) throw new RangeError(`the operator does not use the kind ${kind}`)
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  const list = `/${resource.group}${scope}/${resource.plural}`
  return name === undefined ? list : `${list}/${name}`
}

/** The apiVersion of a kind, such as batch/v1. */
export function apiVersionOf(kind: string): string {
  return (KINDS[kind]?.group ?? '').replace(/^apis?\//, '')
}

/** The parts of a path. */
export interface Target {
  /** Undefined for a kind that the operator does not use. */
  readonly kind: string | undefined
  /** Without its version; empty for the core group. */
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  /** Empty for a list. */
  readonly name: string
}

/** The reverse of pathOf, with the subresource. Ignores the query. Throws RangeError for any other path. */
export function targetOf(path: string): Target {
  const form =
    /^\/(api|apis\/(?<group>[^/?]+))\/[^/?]+(\/namespaces\/(?<namespace>[^/?]+))?\/(?<resource>[^/?]+)(\/(?<name>[^/?]+))?(\/(?<subresource>[^/?]+))?(\?|$)/
  const found = form.exec(path)?.groups
  if (!found) throw new RangeError(`${path} is not the path of a resource`)
  const { group = '', namespace = '', resource = '', name = '', subresource = '' } = found
  const kind = Object.keys(KINDS).find(
    (candidate) =>
      KINDS[candidate]!.plural === resource && apiVersionOf(candidate).replace(/\/?v[^/]*$/, '') === group,
  )
  return { kind, group, resource, subresource, namespace, name }
}

/** The parts of a call that RBAC decides on. */
export interface Verb {
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'
}

/** The right that a call needs. A server-side apply that creates its object needs `create` and `patch`. */
export function verbOf({ method, path }: Pick<Call, 'method' | 'path'>): Verb {
  const { group, resource, subresource, name } = targetOf(path)
  return { group, resource, subresource, verb: method === 'GET' ? reading(path, name) : WRITING[method] }
}

const WRITING = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const

function reading(path: string, name: string): 'get' | 'list' | 'watch' {
  if (/[?&]watch=(true|1)(&|$)/.test(path)) return 'watch'
  return name === '' ? 'list' : 'get'
}
