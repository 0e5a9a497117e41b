// Whom the operator and the command line ask, and as whom: kubeconfig and authentication are client-node's, the requests are
// transport/kubernetes.ts's (client-node's stock transport opens a connection for every call).
import type { RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { type KubernetesClient, openKubernetes } from '#transport/kubernetes.ts'

export interface ConnectOptions {
  /** A file; where none is named the user's default (KUBECONFIG, ~/.kube/config), or the pod's own account. */
  readonly kubeconfig?: string
  /** One of its contexts; the current one where none is named. */
  readonly context?: string
  /** Connections of calls at most. */
  readonly calls?: number
}

/** A client, and what its context says. */
export interface Connection {
  readonly client: KubernetesClient
  /** https://host:port */
  readonly server: string
  readonly context: string
  /** The namespace of the context; default where it has none. */
  readonly namespace: string
}

/** What client-node falls back to where there is no configuration at all. */
const NOWHERE = 'http://localhost:8080'

/** Connects as the kubeconfig says. Throws NoCluster, and what reading the file throws. */
export function connectKubernetes(options: ConnectOptions = {}): KubernetesClient {
  return connectContext(options).client
}

/** No cluster is configured; `contexts` are those that the kubeconfig has. */
export class NoCluster extends Error {
  override readonly name = 'NoCluster'
  readonly contexts: readonly string[]

  constructor(message: string, contexts: readonly string[]) {
    super(message)
    this.contexts = contexts
  }
}

/** The same, with what the context says beside the client. */
export function connectContext({ kubeconfig, context, calls }: ConnectOptions): Connection {
  const config = new KubeConfig()
  if (kubeconfig) config.loadFromFile(kubeconfig)
  else config.loadFromDefault()
  if (context) config.setCurrentContext(context)
  const cluster = config.getCurrentCluster()
  const contexts = config.getContexts().map(({ name }) => name)
  if (!cluster) throw new NoCluster(`the kubeconfig has no context ${config.getCurrentContext()}`, contexts)
  if (cluster.server === NOWHERE) throw new NoCluster('no cluster is configured', [])
  const secure = async (): Promise<RequestOptions> => {
    const secured: RequestOptions = {}
    await config.applyToHTTPSOptions(secured)
    return secured
  }
  const client = openKubernetes({ server: cluster.server, secure }, calls)
  const current = config.getCurrentContext()
  const namespace = config.getContextObject(current)?.namespace || 'default'
  return { client, server: cluster.server, context: current, namespace }
}
