// From start to end of an operator: caches fill, then it stands for election, leads, and stops in an order that leaves no write
// behind: no new looks, those under way done or aborted, the lease given back, the watches ended.
import { FedsamError } from '#protocol/errors.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Controller, type ControllerOptions, startController } from './controller.ts'
import type { Elector } from './election/elector.ts'
import { fenced } from './election/fence.ts'

export interface Operator {
  readonly controller: Controller
  /** Resolves when the signal was given and all is stopped. Rejects as Superseded where another leads, which ended this one. */
  readonly done: Promise<void>
}

/** What is under way when it is asked to stop may take so long. */
const GRACE_MS = 1500

/** Without an elector it leads from the start. */
export function startOperator(
  client: KubernetesClient,
  elector: Elector | undefined,
  options: ControllerOptions & { readonly signal: AbortSignal },
): Operator {
  const { signal } = options
  const stopped = new Promise<'Stopped'>((resolve) => {
    if (signal.aborted) resolve('Stopped')
    signal.addEventListener('abort', () => resolve('Stopped'), { once: true })
  })
  const controller = startController(elector ? fenced(client, elector.isLeader) : client, options)
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
      'the lease was lost: another operator leads, or the API server is out of reach',
      {
        remedy: 'none is needed: it starts again and stands by',
      },
    )
  }
  return { controller, done: live() }
}
