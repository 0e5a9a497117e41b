// An operator in a process of its own, as the benchmark sees it from outside: its metrics, its memory, its connections.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface OperatorProcess {
  readonly child: ChildProcess
  readonly name: string
  /** The sum of all series of a metric whose labels contain this text. */
  metric(name: string, label?: string): Promise<number>
  /** The largest resident size of its life, in bytes. */
  peakBytes(): Promise<number>
  /** TCP connections to this port that are open now. */
  connectionsTo(port: number): Promise<number>
  /** Seconds until it is gone after this signal. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number>
}

/** Starts it and resolves when its caches are filled. */
export async function startOperatorProcess(
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<OperatorProcess> {
  const [probes, metrics] = [await freePort(), await freePort()]
  const images = ['COORDINATOR', 'WORKER', 'WORKER_GPU'].map((kind) => [`FEDSAM_${kind}_IMAGE`, 'image:1'])
  const child = spawn(process.execPath, ['operator/main.ts'], {
    env: {
      ...process.env,
      ...Object.fromEntries(images),
      POD_NAME: name,
      POD_NAMESPACE: 'default',
      FEDSAM_PROBE_PORT: String(probes),
      FEDSAM_METRICS_PORT: String(metrics),
      FEDSAM_END_WITH_PARENT: 'true',
      ...env,
    },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const gone = once(child, 'exit')
  while (!(await isOk(`http://127.0.0.1:${probes}/readyz`))) {
    if (child.exitCode !== null) throw new Error(`the operator ended with ${child.exitCode}`)
    await sleep(100)
  }
  return {
    child,
    name,
    metric: async (metric, label = '') =>
      sumOf(await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text(), metric, label),
    peakBytes: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
    },
    connectionsTo: (port) => connections(child.pid!, port),
    async end(signal) {
      const begun = performance.now()
      child.kill(signal)
      await gone
      return (performance.now() - begun) / 1000
    },
  }
}

async function isOk(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  )
}

function sumOf(text: string, name: string, label: string): number {
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** Sockets of the process that the kernel lists with this remote port, established (01). */
async function connections(pid: number, port: number): Promise<number> {
  const files = await readdir(`/proc/${pid}/fd`)
  const links = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/))
  return rows.filter((row) => row[2]?.endsWith(remote) && row[3] === '01' && inodes.has(row[9] ?? '')).length
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  listener.close()
  return port
}
