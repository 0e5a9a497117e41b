// A bad line between this machine and a network namespace, at the level of packets: each comes late, and some never. The wire of the
// namespace stays, and its addresses are now reached by the bad line. Needs what namespaces need, python3, and /dev/net/tun.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ip } from '#scripts/kubernetes/node/network.ts'
import type { Namespace } from '../given/namespaces.ts'

export interface BadWireOptions {
  /** What it adds to the time of a packet and its answer together. */
  readonly milliseconds: number
  /** Of the packets in each direction. */
  readonly percentLost: number
  /** In each direction. */
  readonly bytesPerSecond: number
  /** How programs inside send: "cubic" is what Linux has unless somebody chose. */
  readonly congestionControl: string
}

/** Lasts until `close`, and ends with this process. */
export async function layBadWire(
  { name, address, wire, run }: Namespace,
  { milliseconds, percentLost, bytesPerSecond, congestionControl }: BadWireOptions,
): Promise<{ close(): Promise<void> }> {
  const near = wire.replace('wire', 'bad')
  const program = fileURLToPath(new URL('bad-wire.py', import.meta.url))
  const figures = [milliseconds, percentLost, bytesPerSecond].map(String)
  const child = spawn('python3', [program, name, near, 'bad', ...figures], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const first = await Promise.race([once(child.stdout, 'data'), closed.then(() => ['it ended'])])
  if (String(first[0]).trim() !== 'ready') throw new Error(`no bad wire to ${name}: ${String(first[0])}`)
  const inside = address.replace(/\.1$/, '.2')
  await ip('link', 'set', near, 'up')
  await run(['ip', 'link', 'set', 'bad', 'up'])
  await ip('route', 'add', `${inside}/32`, 'dev', near, 'src', address)
  await run(['ip', 'route', 'add', `${address}/32`, 'dev', 'bad', 'src', inside])
  await run(['sysctl', '-qw', `net.ipv4.tcp_congestion_control=${congestionControl}`])
  return {
    async close() {
      child.kill('SIGKILL')
      await closed
    },
  }
}
