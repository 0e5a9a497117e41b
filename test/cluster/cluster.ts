// A real API server with the CRD in it, for one test file, and a client for it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectKubernetes } from '#operator/kubernetes/client/client.ts'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { until } from '../until.ts'

export interface Cluster {
  /** Where the server's certificates lie. */
  readonly folder: string
  readonly server: KubernetesServer
  readonly client: KubernetesClient
  stop(): Promise<void>
}

export interface ClusterOptions {
  /** Further flags of kube-apiserver; it runs in the folder, so paths may be names of files there. */
  readonly flags?: Readonly<Record<string, string>>
  /** Whether the cluster's controllers run. */
  readonly controllers?: boolean
  /** Files that are there before it starts: name to text. */
  readonly files?: Readonly<Record<string, string>>
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { flags = {}, files = {}, controllers = false } = options
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-cluster-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const server = await startKubernetes({ folder, flags, controllers, log })
  const client = connectKubernetes({ kubeconfig: server.kubeconfig })
  await server.kubectl(['apply', '--server-side', '-f', 'crds/fedsam.dev_federatedjobs.yaml'])
  await untilServed(server)
  const stop = async (): Promise<void> => {
    client.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return { folder, server, client, stop }
}

/**
 * Until the API server serves the new resource. `kubectl wait` is no help: it gives up at once on a definition that has no
 * conditions yet.
 */
async function untilServed(server: KubernetesServer): Promise<void> {
  await until('the API server serves FederatedJobs', async () => {
    await server.kubectl(['get', 'federatedjobs.fedsam.dev', '--all-namespaces'])
    return true
  })
}
