// Connects to the API server that a kubeconfig or the pod's own account names. client-node reads the kubeconfig and
// authenticates; transport/kubernetes/api.ts sends the requests, because client-node opens a connection for every
// call.
import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { homedir } from 'node:os'
import { type Cluster, KubeConfig } from '@kubernetes/client-node'
import { openKubernetes } from '#transport/kubernetes/api.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { checkedProxy } from '#transport/proxy.ts'
import { readKubeconfig } from './kubeconfig.ts'

export interface ConnectOptions {
  /** A file. Absent: the user's default (KUBECONFIG, ~/.kube/config), or else the pod's own account. */
  readonly kubeconfig?: string
  /** One of its contexts. Absent: the current one. */
  readonly context?: string
  /** How many calls may be under way at a time, each on its own connection. */
  readonly calls?: number
}

/** A client, with the facts of its context. */
export interface Connection {
  readonly client: KubernetesClient
  /** https://host:port */
  readonly server: string
  readonly context: string
  /** The namespace of the context; `default` if it has none. */
  readonly namespace: string
}

/** Throws NoCluster, BrokenKubeconfig, and InvalidJob for a proxy variable without a valid address. */
export function connectKubernetes(options: ConnectOptions = {}): KubernetesClient {
  return connectContext(options).client
}

/** No cluster is configured. `contexts` are the names of the kubeconfig's contexts. */
export class NoCluster extends Error {
  override readonly name = 'NoCluster'
  readonly contexts: readonly string[]

  constructor(message: string, contexts: readonly string[]) {
    super(message)
    this.contexts = contexts
  }
}

/** The same, with the facts of the context. */
export function connectContext({ kubeconfig, context, calls }: ConnectOptions): Connection {
  const files = readKubeconfig(kubeconfig, process.env, homedir())
  const config = new KubeConfig()
  if (files) config.loadFromString(files.text)
  else if (process.env.KUBERNETES_SERVICE_HOST) config.loadFromCluster()
  else throw new NoCluster('no cluster is configured', [])
  if (context) config.setCurrentContext(context)
  const current = config.getCurrentContext()
  const contexts = config.getContexts().map(({ name }) => name)
  const chosen = config.getContextObject(current)
  if (!chosen)
    throw new NoCluster(
      current === '' ? 'no context is current' : `the kubeconfig has no context ${current}`,
      contexts,
    )
  const cluster = config.getCurrentCluster()
  if (!cluster)
    throw new NoCluster(
      `the context ${current} names the cluster ${chosen.cluster}, which is missing`,
      contexts,
    )
  if (!URL.canParse(cluster.server))
    throw new NoCluster(`the cluster ${cluster.name} has no URL as its server`, contexts)
  const token = files?.tokenFiles.get(chosen.user)
  const isSocks = /^socks/.test(cluster.proxyUrl ?? '')
  const proxy =
    cluster.proxyUrl && !isSocks
      ? { proxy: checkedProxy(cluster.proxyUrl, `proxy-url of the cluster ${cluster.name}`) }
      : {}
  const secure = () => securedBy(config, cluster, token)
  const client = openKubernetes({ server: cluster.server, secure, ...proxy, ownAgent: isSocks }, { calls })
  return { client, server: cluster.server, context: current, namespace: chosen.namespace || 'default' }
}

/** Certificates and headers. Reads the token's file for each call, because another program renews it. */
async function securedBy(
  config: KubeConfig,
  cluster: Cluster,
  tokenFile: string | undefined,
): Promise<RequestOptions> {
  // kubectl accepts plain HTTP, which kubectl proxy serves. client-node rejects it unless TLS is not verified.
  const plain = cluster.server.startsWith('http:')
  if (plain) Object.assign(cluster, { skipTLSVerify: true })
  const secured: RequestOptions = {}
  await config.applyToHTTPSOptions(secured)
  if (tokenFile === undefined) return secured
  const token = (await readFile(tokenFile, 'utf8')).trim()
  return { ...secured, headers: { ...secured.headers, Authorization: `Bearer ${token}` } }
}
