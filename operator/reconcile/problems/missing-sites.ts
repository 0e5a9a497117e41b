// Why a site does not take part. The operator has no pod of a site to look at: the coordinator's report is all that it knows. Pure.
import { NO_KEY, siteKeys } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'

/** What the reasons depend on. */
interface JobFacts {
  readonly spec: CompleteFederatedJobSpec
  readonly training: TrainingStatus | undefined
}

/** The reasons by the names of external partitions whose sites do not take part; sites that do are absent. */
export function missingSites({ spec, training }: JobFacts): ReadonlyMap<string, string> {
  const address = spec.messaging?.nats.publicUrl || 'the bus'
  const absent = new Map(training?.clients?.absent?.map((client) => [client.name, client]))
  const missing = [...siteKeys(spec.partitions)].flatMap(([name, key]) => {
    if (key === NO_KEY) return [[name, 'it names no key of its own; correct external.publicKey'] as const]
    const client = absent.get(name)
    if (training?.clients !== undefined && client === undefined) return []
    const unheard = client === undefined || client.reason === 'NotHeard'
    if (!unheard) return [[name, [client.outcome, client.message || client.reason].join(', ')] as const]
    return [[name, `the site is not connected to ${address}; have its agent started there`] as const]
  })
  return new Map(missing)
}
