// The network of a node: one wire from this machine to it, and ranges of addresses that nobody here uses. The node has no way out:
// it reaches this machine alone. Promises: two nodes never get the same number, even from two programs; everything is deleted with the node.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'

const run = promisify(execFile)

/** Private ranges, the third byte is the node's number: the wire, Services, pods. */
const [WIRE, SERVICES, PODS] = ['10.213', '10.214', '10.215'] as const
const PREFIX = 'fedsam'

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
  const ranges = [WIRE, SERVICES, PODS]
  const number = await layWire({ prefix: PREFIX, ranges, inside: 'node', namespace: `${pid}` })
  const [here, address] = [`${WIRE}.${number}.1`, `${WIRE}.${number}.2`]
  const [services, pods] = [`${SERVICES}.${number}.0/24`, `${PODS}.${number}.0/24`]
  const name = `${PREFIX}${number}`
  await ip('addr', 'add', `${here}/30`, 'dev', name)
  await ip('link', 'set', name, 'up')
  const inside = (...args: string[]): Promise<string> =>
    command('nsenter', ['-t', `${pid}`, '-n', 'ip', ...args])
  await inside('addr', 'add', `${address}/30`, 'dev', 'node')
  await inside('link', 'set', 'node', 'up')
  for (const range of [services, pods]) await ip('route', 'add', range, 'via', address)
  return { number, address, services, pods, apiService: `${SERVICES}.${number}.1` }
}

export interface WireOptions {
  /** With a number, the name of the wire's end on this machine; at most 15 characters. */
  readonly prefix: string
  /** The first two bytes of ranges of addresses, whose third byte is the number; nobody else here may use them. */
  readonly ranges: readonly string[]
  /** The name of the end inside. */
  readonly inside: string
  /** The namespace of that end: the number of a process in it, or its name. */
  readonly namespace: string
}

/**
 * Lays a wire from this machine to a network namespace; its ends are down and have no address. Resolves to its number. Making an
 * interface of a name succeeds once: that is the claim of the number. Throws FedsamError RunFailed where no number is free.
 */
export async function layWire({ prefix, ranges, inside, namespace }: WireOptions): Promise<number> {
  const routes = await ip('route', 'show', 'table', 'all')
  const peer = ['type', 'veth', 'peer', 'name', inside, 'netns', namespace]
  let last: unknown
  for (let number = 0; number < 256; number++) {
    if (ranges.some((range) => routes.includes(`${range}.${number}.`))) continue
    try {
      await ip('link', 'add', `${prefix}${number}`, ...peer)
      return number
    } catch (error) {
      last = error
      if (!String(error).includes('File exists')) break
    }
  }
  throw new FedsamError(
    'RunFailed',
    `no network for ${namespace}: ${String(last ?? 'every number is taken')}`,
    {
      remedy: `ip link shows the interfaces ${prefix}0 to ${prefix}255 of others`,
    },
  )
}

/** Runs ip; resolves to its output. */
export function ip(...args: string[]): Promise<string> {
  return command('ip', args)
}

async function command(program: string, args: readonly string[]): Promise<string> {
  return (await run(program, args)).stdout
}
