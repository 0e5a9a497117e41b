// Checks which devices the nodes offer, and whether one node has enough for each partition. It does not check whether they are
// free.
import { isExternal } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { Cluster } from '../connect.ts'
import { NODES } from '../questions.ts'
import { type Finding, ok, problem } from './finding.ts'

const SUBJECT = 'accelerators'

/** The fields of a Node that this check reads. */
export interface Node {
  readonly metadata: { readonly name: string }
  readonly status?: { readonly allocatable?: Readonly<Record<string, string>> }
}

/** Findings over all nodes, and over a job's partitions where a job is given. */
export async function checkAccelerators(
  cluster: Cluster,
  spec?: CompleteFederatedJobSpec,
): Promise<Finding[]> {
  const { items } = await cluster.ask<{ items: Node[] }>(NODES)
  return judgeAccelerators(items, spec)
}

/** The devices of the nodes, and the partitions that need more. */
function judgeAccelerators(nodes: readonly Node[], spec?: CompleteFederatedJobSpec): Finding[] {
  const offers = offersOf(nodes)
  const offered = [...offers].map(([name, counts]) => {
    const total = counts.reduce((sum, count) => sum + count, 0)
    return `${total} ${name} on ${counts.length} of ${nodes.length} nodes`
  })
  const says =
    offered.join(', ') || `none on ${nodes.length} nodes; jobs without workers.accelerator run on CPUs`
  const lacks = spec === undefined ? [] : lackingPartitions(offers, spec)
  return lacks.length > 0 ? lacks : [ok(SUBJECT, says)]
}

/** Devices per node that has any, by extended resource: those with a domain that is not Kubernetes' own. */
function offersOf(nodes: readonly Node[]): Map<string, number[]> {
  const offers = new Map<string, number[]>()
  for (const { status } of nodes) {
    for (const [name, quantity] of Object.entries(status?.allocatable ?? {})) {
      const count = Number(quantity)
      if (!name.includes('/') || name.includes('kubernetes.io/') || !(count > 0)) continue
      offers.set(name, [...(offers.get(name) ?? []), count])
    }
  }
  return offers
}

function lackingPartitions(
  offers: ReadonlyMap<string, readonly number[]>,
  spec: CompleteFederatedJobSpec,
): Finding[] {
  const lacks = new Map<string, string[]>()
  for (const partition of spec.partitions) {
    const wanted = partition.workers?.accelerator ?? spec.workers.accelerator
    if (!wanted || isExternal(partition)) continue
    const most = Math.max(0, ...(offers.get(wanted.resource) ?? []))
    if (most >= wanted.count) continue
    const lack = `${wanted.count} ${wanted.resource} on one node; the largest has ${most}`
    lacks.set(lack, [...(lacks.get(lack) ?? []), partition.name])
  }
  return [...lacks].map(([lack, names]) =>
    problem(
      SUBJECT,
      `${names.join(', ')}: needs ${lack}`,
      "install the device's plugin on nodes that have it, ask for fewer, or leave workers.accelerator out to train on CPUs",
    ),
  )
}
