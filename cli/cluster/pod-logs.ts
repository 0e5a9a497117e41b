// Chooses the logs of a job's pods (pure), and reads their lines from the kubelets through the API server.

import type { KubernetesObject } from '#operator/objects/shapes.ts'
import { PARTITION_LABEL, ROLE_LABEL } from '#protocol/labels.ts'
import { CONTAINERS } from '#protocol/pods.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import type { Cluster } from './connect.ts'
import { PODS, pathFor } from './questions.ts'

/** A container's log. */
export interface LogSource {
  readonly pod: string
  readonly namespace: string
  readonly container: string
  /** The prefix of its lines: "site-a", "site-a network", "coordinator". */
  readonly label: string
}

export interface LogOptions {
  readonly follow: boolean
  /** Whether to read the log of the previous container. */
  readonly previous: boolean
}

/** Longest silence of a followed log, in milliseconds. */
const QUIET_SECONDS = 24 * 3600

/**
 * The coordinator first, then clients by name, with the containers of each pod in their starting order. Only one client's if
 * named.
 */
export function logSources(pods: readonly KubernetesObject[], client?: string): LogSource[] {
  const named = pods.map((pod) => ({ pod, who: whose(pod) })).filter(({ who }) => who !== undefined)
  const wanted = client === undefined ? named : named.filter(({ who }) => who === client)
  const rank = (who: string | undefined): string => (who === 'coordinator' ? '' : who!)
  return wanted
    .sort((a, b) => (rank(a.who) < rank(b.who) ? -1 : rank(a.who) > rank(b.who) ? 1 : 0))
    .flatMap(({ pod, who }) =>
      containersOf(pod).map((container) => ({
        pod: pod.metadata.name,
        namespace: pod.metadata.namespace,
        container,
        label: container === CONTAINERS.trainer || container === who ? who! : `${who} ${container}`,
      })),
    )
}

/** The lines of a log. A refusal (no log yet, no previous one) becomes one line to `note`. */
export async function* logLines(
  cluster: Cluster,
  source: LogSource,
  { follow, previous }: LogOptions,
  note: (line: string) => void,
): AsyncGenerator<string> {
  const { namespace, pod, container } = source
  const query = {
    container,
    ...(follow ? { follow: 'true' } : {}),
    ...(previous ? { previous: 'true' } : {}),
  }
  const path = `${pathFor({ ...PODS, namespace, name: pod })}/log?${new URLSearchParams(query)}`
  let said = false
  try {
    for await (const line of cluster.client.text({ path }, follow ? QUIET_SECONDS : 60)) {
      said = true
      yield line
    }
    if (!said) note(`[${source.label}] wrote no line${previous ? '' : ' yet'}`)
  } catch (error) {
    const explained = cluster.explain(error, `get pods/log ${pod} in namespace ${namespace}`)
    if (!(explained instanceof ApiError)) throw explained
    note(`[${source.label}] ${explained.message}`)
  }
}

function whose({ metadata: { labels } }: KubernetesObject): string | undefined {
  return labels?.[ROLE_LABEL] === 'coordinator' ? 'coordinator' : labels?.[PARTITION_LABEL]
}

function containersOf(pod: KubernetesObject): string[] {
  const { initContainers = [], containers = [] } = (pod.spec ?? {}) as Readonly<
    Record<string, readonly { readonly name: string }[] | undefined>
  >
  return [...initContainers, ...containers].map(({ name }) => name)
}
