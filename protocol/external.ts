// Partitions whose client is a site outside of the cluster. The job names the one key of each. A key belongs to one partition: a site with
// two would count twice. Checked in code, since a rule of the schema would compare each partition with every other. Pure.
import type { CompletePartitionSpec } from './generated/federatedjob.ts'
import type { Plan } from './record.ts'

/** The one key that counts for each client that is a site in this plan. */
export function plannedKeys({ sites = [] }: Pick<Plan, 'sites'>): ReadonlyMap<string, string> {
  return new Map(sites.map(({ name, key }) => [name, key]))
}

type Partition = Pick<CompletePartitionSpec, 'name' | 'external'>

/** A public key that no signature fits. */
export const NO_KEY = ''

export function isExternal({ external }: Pick<Partition, 'external'>): boolean {
  return external !== undefined && external !== null
}

/** Partitions that name the same key, in the order of the job. */
export interface SharedKey {
  readonly publicKey: string
  /** Names, and places in the list: at least two. */
  readonly partitions: readonly { readonly name: string; readonly index: number }[]
}

/** Each key that several partitions name, in the order of the job. */
export function sharedKeys(partitions: readonly Partition[]): SharedKey[] {
  const places = partitions.flatMap((partition, index) => {
    const publicKey = ownKey(partition)
    return publicKey === NO_KEY ? [] : [{ publicKey, name: partition.name, index }]
  })
  return [...Map.groupBy(places, ({ publicKey }) => publicKey)]
    .filter(([, all]) => all.length > 1)
    .map(([publicKey, all]) => ({ publicKey, partitions: all.map(({ name, index }) => ({ name, index })) }))
}

/**
 * The key of each external partition by its name. It is NO_KEY where the partition names none, or shares it: then nobody can be its
 * client. The schema refuses the former; an object that was stored before may have it.
 */
export function siteKeys(partitions: readonly Partition[]): ReadonlyMap<string, string> {
  const shared = new Set(sharedKeys(partitions).map(({ publicKey }) => publicKey))
  const external = partitions.filter(isExternal).map((partition) => {
    const key = ownKey(partition)
    return [partition.name, shared.has(key) ? NO_KEY : key] as const
  })
  return new Map(external)
}

/** The same partitions for a run on one machine, where each is a local client with a key of its own making. */
export function withoutSites<P extends Partition>(partitions: readonly P[]): Omit<P, 'external'>[] {
  return partitions.map(({ external: _, ...local }) => local)
}

/** A stored object may hold anything. */
function ownKey({ external }: Partition): string {
  const key: unknown = external?.publicKey
  return typeof key === 'string' && /^[0-9a-f]{64}$/.test(key) ? key : NO_KEY
}
