// What the operator reads of its environment, in one place, all errors at once. The chart's Deployment sets these.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { type Environment, requireVariables } from '#transport/environment.ts'
import type { Settings } from './reconcile/objects.ts'

export interface OperatorEnvironment {
  readonly settings: Settings
  /** The one namespace that is watched; all where absent. */
  readonly namespace?: string
  readonly kubeconfig?: string
  readonly probePort: number
}

const PullPolicy = v.picklist(['Always', 'IfNotPresent', 'Never'])

/** Throws FedsamError InvalidJob. */
export function readEnvironment(env: Environment): OperatorEnvironment {
  const names = ['FEDSAM_COORDINATOR_IMAGE', 'FEDSAM_WORKER_IMAGE', 'FEDSAM_WORKER_GPU_IMAGE'] as const
  const images = requireVariables(env, names)
  const policy = v.safeParse(PullPolicy, env.FEDSAM_IMAGE_PULL_POLICY || 'IfNotPresent')
  const namespaces = (env.FEDSAM_WATCH_NAMESPACES ?? '').split(',').filter((name) => name !== '')
  const wrong = [
    ...(policy.success ? [] : ['FEDSAM_IMAGE_PULL_POLICY is not Always, IfNotPresent or Never']),
    ...(namespaces.length > 1
      ? ['FEDSAM_WATCH_NAMESPACES names several namespaces: name one, or none for all']
      : []),
  ]
  if (!policy.success || wrong.length > 0) throw new FedsamError('InvalidJob', wrong.join('; '))
  return {
    settings: {
      images: {
        coordinator: images.FEDSAM_COORDINATOR_IMAGE,
        worker: images.FEDSAM_WORKER_IMAGE,
        workerGpu: images.FEDSAM_WORKER_GPU_IMAGE,
      },
      pullPolicy: policy.output,
    },
    ...(namespaces[0] === undefined ? {} : { namespace: namespaces[0] }),
    ...(env.KUBECONFIG ? { kubeconfig: env.KUBECONFIG } : {}),
    probePort: Number(env.FEDSAM_PROBE_PORT ?? 8081),
  }
}
