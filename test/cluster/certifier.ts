// Certifies the coordinators of a namespace as the operator does, for tests that run no operator.

import type { StoredJob } from '#operator/objects/shapes.ts'
import { certificateFor } from '#operator/reconcile/certificate.ts'
import { trainingOf } from '#operator/reconcile/facts.ts'
import { CERTIFIER } from '../given/signed.ts'
import type { Cluster } from './cluster.ts'

/** Milliseconds between two looks at the jobs. */
const LOOK_MS = 100

/** Starts; the function that it returns stops it, and waits for its end. */
export function certifyJobs({ client }: Pick<Cluster, 'client'>, namespace: string): () => Promise<void> {
  const path = `/apis/fedsam.dev/v1alpha1/namespaces/${namespace}/federatedjobs`
  let stopped = false
  const look = async (): Promise<void> => {
    const { items } = await client.call<{ items: StoredJob[] }>({ method: 'GET', path })
    for (const job of items) {
      const certificate = certificateFor(job, trainingOf(job), CERTIFIER)
      const stored = (job.status as { coordinatorCertificate?: { signature: string } } | undefined)
        ?.coordinatorCertificate
      if (certificate === undefined || certificate.signature === stored?.signature) continue
      const body = {
        apiVersion: 'fedsam.dev/v1alpha1',
        kind: 'FederatedJob',
        metadata: { name: job.metadata.name },
        status: { coordinatorCertificate: certificate },
      }
      const query = 'fieldManager=test-certifier&force=true'
      const contentType = 'application/apply-patch+yaml'
      await client.call({
        method: 'PATCH',
        path: `${path}/${job.metadata.name}/status?${query}`,
        body,
        contentType,
      })
    }
  }
  const running = (async () => {
    while (!stopped) {
      await look().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  })()
  return async () => {
    stopped = true
    await running
  }
}
