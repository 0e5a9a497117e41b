// The life of an operator: its caches fill, it waits until it leads, it works, and it stops. The order of the stop
// leaves no write behind: no new passes, active passes ended or aborted, the lease released, the watches ended.
import { FedsamError } from '#protocol/errors.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Controller, type ControllerOptions, startController } from './controller.ts'
import type { Elector } from './election/elector.ts'
import { fenced } from './election/fence.ts'

export interface Operator {
  readonly controller: Controller
  /**
   * Resolves when the signal was given and everything has stopped. Rejects as Superseded when this operator lost its
   * lease.
   */
  readonly done: Promise<void>
}

/** Grace period of active passes at shutdown, in milliseconds: far below the pod's, far above a usual pass. */
const GRACE_MS = 1500

/** Without an elector the operator leads from the start. */
export function startOperator(
  client: KubernetesClient,
  elector: Pick<Elector, keyof Elector> | undefined,
  options: ControllerOptions & { readonly signal: AbortSignal },
): Operator {
  const { signal } = options
  const stopped = new Promise<'Stopped'>((resolve) => {
    if (signal.aborted) resolve('Stopped')
    signal.addEventListener('abort', () => resolve('Stopped'), { once: true })
  })
  const controller = startController(elector ? fenced(client, () => elector.isLeader()) : client, options)
  const live = async (): Promise<void> => {
    await Promise.race([controller.cache.synced, stopped])
    const leads = !signal.aborted && (elector === undefined || (await elector.acquire()))
    if (leads) controller.lead()
    const end = leads && elector ? await elector.hold() : await stopped
    await controller.stop(end === 'Lost' ? 0 : GRACE_MS)
    await elector?.release()
    if (end === 'Stopped') return
    throw new FedsamError(
      'Superseded',
      'the operator lost its lease: another operator leads, or the API server did not answer in time',
      { remedy: 'Kubernetes restarts the operator; if this happens often, check the load of the API server' },
    )
  }
  return { controller, done: live() }
}
