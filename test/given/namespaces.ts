// Network namespaces for programs of another network: each has one wire to this machine, and may speak to one port at its other end. Every
// other packet that a program sends is dropped, and both kinds are counted. Nothing is left after `close`, or after the next
// `openNamespace` where the process that opened it was killed. Needs Linux, root, iproute2 and nftables.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ip, layWire } from '#scripts/kubernetes/node/network.ts'

const NAME = /^fedsam-(\d+)-\d+$/
const WIRE = 'fedsam-wire'
/** The first two bytes of the addresses, and those of IPv6; the third and the last group are the wire's number. */
const [RANGE, RANGE6] = ['10.216', 'fd5e:da5a']
/** The end of the wire inside. */
const INSIDE = 'out'
let opened = 0

export interface Packets {
  /** To the allowed port. */
  readonly port: number
  /** To anything else, by IPv4 or IPv6. They were dropped. */
  readonly other: number
}

export interface Namespace {
  readonly name: string
  /** The address of this machine, which programs inside reach. Servers listen there. */
  readonly address: string
  /** The wire's end on this machine, for rules about lost packets. */
  readonly wire: string
  /** Lets programs inside reach this port of `address`, and no other any more. Names that they look up: those of `names`, for `address`. */
  allow(port: number, names?: readonly string[]): Promise<void>
  /** A command line that runs a program inside, by `ip netns exec`: the process that it starts becomes the program. */
  inside(command: readonly string[]): readonly [string, ...string[]]
  /** Runs a program inside to its end; resolves to its output. */
  run(command: readonly string[]): Promise<string>
  /** The numbers of the processes inside. */
  processes(): Promise<readonly number[]>
  /** The packets that were sent since `openNamespace`. */
  sent(): Promise<Packets>
  /** Takes the wire down: packets are lost in both directions, and neither end hears of it. */
  cut(): Promise<void>
  restore(): Promise<void>
  /** Ends the processes inside. */
  close(): Promise<void>
}

/** Opens a namespace in which nothing is allowed yet. */
export async function openNamespace(): Promise<Namespace> {
  await removeDead()
  const name = `fedsam-${process.pid}-${opened++}`
  await ip('netns', 'add', name)
  try {
    const number = await layWire({ prefix: WIRE, ranges: [RANGE], inside: INSIDE, namespace: name })
    const wire = `${WIRE}${number}`
    const address = `${RANGE}.${number}.1`
    await connect(name, wire, number)
    await nft(name, RULES)
    return namespace(name, wire, address)
  } catch (error) {
    await remove(name)
    throw error
  }
}

/** Addresses and routes for every destination: a packet without a route would not be counted. */
async function connect(name: string, wire: string, number: number): Promise<void> {
  const within = (...args: string[]): Promise<string> => ip('-n', name, ...args)
  await ip('addr', 'add', `${RANGE}.${number}.1/30`, 'dev', wire)
  await ip('link', 'set', wire, 'up')
  await within('link', 'set', 'lo', 'up')
  await within('addr', 'add', `${RANGE}.${number}.2/30`, 'dev', INSIDE)
  await within('addr', 'add', `${RANGE6}::${number}:2/112`, 'dev', INSIDE, 'nodad')
  await within('link', 'set', INSIDE, 'up')
  await within('route', 'add', 'default', 'via', `${RANGE}.${number}.1`)
  await within('-6', 'route', 'add', 'default', 'via', `${RANGE6}::${number}:1`)
}

/** What the kernel says by itself on a wire with IPv6 (neighbours, groups) is no program's: it is dropped, and counts nowhere. */
const RULES = `table inet fedsam {
  counter port {}
  counter other {}
  chain allowed {}
  chain sent {
    type filter hook output priority 0; policy drop;
    oifname "lo" accept
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } drop
    jump allowed
    counter name other drop
  }
}
`

function namespace(name: string, wire: string, address: string): Namespace {
  const inside = (command: readonly string[]) => ['ip', 'netns', 'exec', name, ...command] as const
  const run = async (command: readonly string[]): Promise<string> => {
    const [program, ...args] = inside(command)
    return (await promisify(execFile)(program, args)).stdout
  }
  return {
    ...{ name, wire, address, inside, run },
    async allow(port, names = []) {
      // The file takes the place of /etc/hosts for programs inside.
      await mkdir(filesOf(name), { recursive: true })
      await writeFile(join(filesOf(name), 'hosts'), `127.0.0.1 localhost\n${address} ${names.join(' ')}\n`)
      const rule = `ip daddr ${address} tcp dport ${port} counter name port accept`
      await nft(name, `flush chain inet fedsam allowed\nadd rule inet fedsam allowed ${rule}\n`)
    },
    processes: () => processesIn(name),
    async sent() {
      const listed = JSON.parse(await run(['nft', '-j', 'list', 'counters', 'table', 'inet', 'fedsam']))
      const counters = (listed.nftables as { counter?: { name: string; packets: number } }[]).flatMap(
        ({ counter }) => counter ?? [],
      )
      const of = (wanted: string): number => counters.find(({ name }) => name === wanted)!.packets
      return { port: of('port'), other: of('other') }
    },
    cut: async () => void (await ip('link', 'set', wire, 'down')),
    restore: async () => void (await ip('link', 'set', wire, 'up')),
    async close() {
      await remove(name)
      await ip('link', 'delete', wire).catch(() => {}) // it goes with the namespace, or now
    },
  }
}

function filesOf(name: string): string {
  return join('/etc/netns', name)
}

async function nft(name: string, rules: string): Promise<void> {
  const child = spawn('ip', ['netns', 'exec', name, 'nft', '-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  child.stdin.end(rules)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`nft in ${name}: ${said}`)
}

async function processesIn(name: string): Promise<readonly number[]> {
  const lines = (await ip('netns', 'pids', name)).trim()
  return lines === '' ? [] : lines.split('\n').map(Number)
}

async function remove(name: string): Promise<void> {
  for (const pid of await processesIn(name)) kill(pid, 'SIGKILL')
  await ip('netns', 'delete', name)
  await rm(filesOf(name), { recursive: true, force: true })
}

/** Removes the namespaces of processes that are gone. */
async function removeDead(): Promise<void> {
  const listed = (await ip('netns', 'list')).split('\n').map((line) => line.split(' ')[0]!)
  for (const name of listed) {
    const owner = NAME.exec(name)?.[1]
    // Another process may do the same at this moment.
    if (owner !== undefined && !kill(Number(owner), 0)) await remove(name).catch(() => {})
  }
}

/** Whether the process was there. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
