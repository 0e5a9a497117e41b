// The jobs of the end-to-end layer as objects: the example over three claims, and a job of seconds whose trainer is a program.
import { inCluster, readExample } from '#scripts/cluster/example.ts'
import { placesOf } from '#scripts/cluster/quickstart.ts'
import { SYSTEM, TEAM } from './stage.ts'

export interface JobObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  // biome-ignore lint/suspicious/noExplicitAny: a job is written as users write it.
  readonly spec: any
}

/** Where the quickstart's servers are, as pods see them. */
export const PLACES = placesOf(SYSTEM, TEAM)

/** The example as `npm run cluster` offers it, asking for a device that it may do without. */
export async function brainTissue(): Promise<JobObject> {
  const job = inCluster(await readExample(), PLACES) as JobObject
  return { ...job, spec: { ...job.spec, workers: { accelerator: { whenUnseen: 'UseCPU' } } } }
}

export interface PacedOptions {
  readonly rounds?: number
  /** Milliseconds of a fit. */
  readonly fitMs?: number
}

export const PACED_SITES = ['site-a', 'site-b', 'site-c'] as const
/** The path at which the worker image finds a trainer of a claim: inside its own package, so that its imports resolve. */
export const TRAINERS_CLAIM = 'trainers'

/** A job of seconds: three clients that must all report, so that no kill may change a byte. */
export function pacedJob(name: string, { rounds = 5, fitMs = 4000 }: PacedOptions = {}): JobObject {
  const root = '/app/test/trainers'
  return {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name },
    spec: {
      ...PLACES,
      rounds,
      strategy: { minFitClients: 3, minAvailableClients: 3 },
      round: { quorum: 3, deadlineSeconds: 300, maxFailedRounds: 20, settleSeconds: 0 },
      trainer: {
        type: 'Command',
        command: { command: ['node', `${root}/paced-main.ts`], args: ['1000', String(fitMs)] },
      },
      partitions: PACED_SITES.map((site) => ({
        name: site,
        dataset: { root },
        source: { persistentVolumeClaim: { claimName: TRAINERS_CLAIM } },
      })),
    },
  }
}
