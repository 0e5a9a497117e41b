// A real API server with the CRD in it, for one test file, and a client for it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectKubernetes, type KubernetesClient } from '#operator/kubernetes/client.ts'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'

export interface Cluster {
  readonly server: KubernetesServer
  readonly client: KubernetesClient
  stop(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-cluster-'))
  const server = await startKubernetes({ folder, log: (line) => process.stderr.write(`${line}\n`) })
  const client = connectKubernetes({ kubeconfig: server.kubeconfig })
  await server.kubectl(['apply', '--server-side', '-f', 'crds/fedsam.dev_federatedjobs.yaml'])
  await server.kubectl([
    'wait',
    '--for=condition=Established',
    'crd/federatedjobs.fedsam.dev',
    '--timeout=30s',
  ])
  const stop = async (): Promise<void> => {
    client.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return { server, client, stop }
}
