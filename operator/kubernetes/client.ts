// Whom the operator asks, and as whom: kubeconfig and authentication are client-node's, the requests are transport/kubernetes.ts's
// (client-node's stock transport opens a connection for every call).
import type { RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { type KubernetesClient, openKubernetes } from '#transport/kubernetes.ts'

/** Connects as the kubeconfig says: a file, or where none is named the pod's own account, or the user's default. */
export function connectKubernetes(options: { readonly kubeconfig?: string } = {}): KubernetesClient {
  const config = new KubeConfig()
  if (options.kubeconfig) config.loadFromFile(options.kubeconfig)
  else config.loadFromDefault()
  const cluster = config.getCurrentCluster()
  if (!cluster) throw new Error('no cluster is configured; set KUBECONFIG or run in a pod')
  return openKubernetes({
    server: cluster.server,
    async secure() {
      const secured: RequestOptions = {}
      await config.applyToHTTPSOptions(secured)
      return secured
    },
  })
}
