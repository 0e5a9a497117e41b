// Carries out the NetworkPolicy of the one pod of a node with nftables, because the node's network plugin enforces none. The rules come
// from the policy as the API server has it. Promises: what it does not allow is dropped and counted. They end with the node.
import assert from 'node:assert/strict'
import { findMachine } from '#scripts/kubernetes/node/machine.ts'
import type { RunningNode } from '#scripts/kubernetes/node.ts'

export interface EnforcedPolicy {
  /** Packets from and to pods that the policy does not allow. */
  dropped(): Promise<number>
}

interface Policy {
  readonly spec: {
    readonly policyTypes: readonly string[]
    readonly ingress?: readonly unknown[]
    readonly egress: readonly {
      readonly to?: readonly { readonly ipBlock?: { readonly cidr: string } }[]
      readonly ports: readonly { readonly port: number; readonly protocol: string }[]
    }[]
  }
}

/** Every pod of the node has this policy from now on. Peers that are pods do not exist there, so they add no rule. */
export async function enforcePolicy(node: RunningNode, namespace: string): Promise<EnforcedPolicy> {
  const { items } = JSON.parse(await node.kubectl(['-n', namespace, 'get', 'networkpolicies', '-o', 'json']))
  assert.equal(items.length, 1)
  const { spec } = items[0] as Policy
  assert.deepEqual([spec.policyTypes, spec.ingress], [['Ingress', 'Egress'], undefined])
  const machine = (await findMachine(node.name)) ?? assert.fail(node.name)
  const { pods } = machine.network
  const allowed = spec.egress.flatMap(({ to = [], ports }) =>
    to.flatMap(({ ipBlock }) =>
      ports.map(
        ({ port, protocol }) =>
          `ip saddr ${pods} ip daddr ${ipBlock?.cidr} ${protocol.toLowerCase()} dport ${port} accept`,
      ),
    ),
  )
  const rules = [
    'ct state established,related accept',
    ...allowed.filter((rule) => !rule.includes('undefined')),
    `ip saddr ${pods} counter name left drop`,
    `ip daddr ${pods} counter name left drop`,
  ].join('\n')
  const chain = (hook: string) =>
    `chain ${hook} { type filter hook ${hook} priority 0; policy accept;\n${rules}\n}`
  const table = `table inet site {\ncounter left {}\n${['forward', 'input'].map(chain).join('\n')}\n}`
  await machine.run(['nft', table])
  return {
    async dropped() {
      const listed = await machine.run(['nft', '--json', 'list', 'counter', 'inet', 'site', 'left'])
      const [{ counter }] = (
        JSON.parse(listed) as { nftables: { counter?: { packets: number } }[] }
      ).nftables.filter((one) => one.counter !== undefined) as [{ counter: { packets: number } }]
      return counter.packets
    },
  }
}
