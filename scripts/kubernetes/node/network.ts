// The network of a node: one wire from this machine to it, and ranges of addresses that nobody here uses. The node has no way out:
// it reaches this machine alone. Promises: two nodes never get the same number, even from two programs; everything is deleted with the node.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'

const run = promisify(execFile)

/** Private ranges, the third byte is the node's number: the wire, Services, pods. */
const [WIRE, SERVICES, PODS] = ['10.213', '10.214', '10.215'] as const

export interface Network {
  /** Tells nodes on one machine apart. */
  readonly number: number
  /** The node's own address, reached from here, and from its pods. */
  readonly address: string
  /** Ranges in CIDR notation, reached from here by way of the node. */
  readonly services: string
  readonly pods: string
  /** The Service `kubernetes`. */
  readonly apiService: string
}

/** Lays the wire to the network namespace of this process. Throws FedsamError RunFailed where no number is free. */
export async function connectNetwork(pid: number): Promise<Network> {
  const number = await claim(pid)
  const [here, address] = [`${WIRE}.${number}.1`, `${WIRE}.${number}.2`]
  const [services, pods] = [`${SERVICES}.${number}.0/24`, `${PODS}.${number}.0/24`]
  const name = interfaceName(number)
  await ip('addr', 'add', `${here}/30`, 'dev', name)
  await ip('link', 'set', name, 'up')
  const inside = (...args: string[]): Promise<string> =>
    command('nsenter', ['-t', `${pid}`, '-n', 'ip', ...args])
  await inside('addr', 'add', `${address}/30`, 'dev', 'node')
  await inside('link', 'set', 'node', 'up')
  for (const range of [services, pods]) await ip('route', 'add', range, 'via', address)
  return { number, address, services, pods, apiService: `${SERVICES}.${number}.1` }
}

/** Making an interface of a name succeeds once: that is the claim of its number. */
async function claim(pid: number): Promise<number> {
  const routes = await ip('route', 'show', 'table', 'all')
  let last: unknown
  for (let number = 0; number < 256; number++) {
    if ([WIRE, SERVICES, PODS].some((range) => routes.includes(`${range}.${number}.`))) continue
    try {
      await ip(
        'link',
        'add',
        interfaceName(number),
        'type',
        'veth',
        'peer',
        'name',
        'node',
        'netns',
        `${pid}`,
      )
      return number
    } catch (error) {
      last = error
      if (!String(error).includes('File exists')) break
    }
  }
  throw new FedsamError('RunFailed', `no network for a node: ${String(last ?? 'every number is taken')}`, {
    remedy: 'ip link shows the interfaces fedsam0 to fedsam255 of other nodes',
  })
}

function interfaceName(number: number): string {
  return `fedsam${number}`
}

function ip(...args: string[]): Promise<string> {
  return command('ip', args)
}

async function command(program: string, args: readonly string[]): Promise<string> {
  return (await run(program, args)).stdout
}
