// Requests of the command line to the Kubernetes API: a resource and a verb determine the path, and the words of a refusal.
import { API_VERSION, PLURAL } from '#protocol/api.ts'

export interface Resource {
  /** api/v1, or apis/GROUP/VERSION. */
  readonly group: string
  readonly plural: string
}

export interface Question extends Resource {
  /** Absent for cluster-scoped resources, and for a list over all namespaces. */
  readonly namespace?: string
  /** The name of one object; absent for a list. */
  readonly name?: string
  /** labelSelector, fieldSelector, … */
  readonly query?: Readonly<Record<string, string>>
}

export const FEDERATED_JOBS: Resource = { group: `apis/${API_VERSION}`, plural: PLURAL }
export const PODS: Resource = { group: 'api/v1', plural: 'pods' }
export const JOBS: Resource = { group: 'apis/batch/v1', plural: 'jobs' }
export const EVENTS: Resource = { group: 'apis/events.k8s.io/v1', plural: 'events' }
export const SECRETS: Resource = { group: 'api/v1', plural: 'secrets' }
export const NODES: Resource = { group: 'api/v1', plural: 'nodes' }
export const DEPLOYMENTS: Resource = { group: 'apis/apps/v1', plural: 'deployments' }
export const DEFINITIONS: Resource = {
  group: 'apis/apiextensions.k8s.io/v1',
  plural: 'customresourcedefinitions',
}

/** Path and query of a request. */
export function pathFor({ group, plural, namespace, name, query }: Question): string {
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  const one = name === undefined ? '' : `/${encodeURIComponent(name)}`
  const asked = new URLSearchParams(query).toString()
  return `/${group}${within}/${plural}${one}${asked === '' ? '' : `?${asked}`}`
}

/** The request in kubectl's words: "get secrets store in namespace team-a". */
export function wordsFor({ plural, namespace, name }: Question): string {
  const what = name === undefined ? `list ${plural}` : `get ${plural} ${name}`
  return namespace === undefined ? what : `${what} in namespace ${namespace}`
}
