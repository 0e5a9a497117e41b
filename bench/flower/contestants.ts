// The two that are measured: Flower's gRPC server with two of its clients, and `fedsam run` with two clients of the Python
// package, each in processes of its own. The same class, the same parameters, nothing trained.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { sumOf, watchMemory } from './memory.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
export const CLI = fileURLToPath(new URL('../../cli/fedsam.js', import.meta.url))
export const CLIENTS = 2

export interface Bout {
  readonly python: string
  readonly megabytes: number
  readonly rounds: number
  /** An empty folder, for what is written. */
  readonly folder: string
}

export interface Measured {
  /** Between the ends of successive rounds, in their order. Seconds. */
  readonly seconds: readonly number[]
  /** Megabytes: of what serves, and of one client. */
  readonly server: number
  readonly client: number
}

/** Flower's start_server and start_client. */
export async function runFlower({ python, megabytes, rounds, folder }: Bout): Promise<Measured> {
  const address = `127.0.0.1:${await freePort()}`
  const start = (role: string): ChildProcess =>
    spawn(python, [join(HERE, 'under_flower.py'), role, address, String(megabytes), String(rounds)], {
      cwd: folder,
      env: { ...process.env, FLWR_TELEMETRY_ENABLED: '0' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  const memory = watchMemory(process.pid, (command) => {
    if (!command.includes('under_flower.py')) return null
    return command.includes('under_flower.py server') ? 'server' : 'client'
  })
  const server = start('server')
  const clients = Array.from({ length: CLIENTS }, () => start('client'))
  const ends = await endsOfLines(server, (line) => /^round \d+|^over/.test(line))
  const { server: serving, client } = memory.stop()
  for (const left of [server, ...clients]) left.kill('SIGKILL')
  return { seconds: between(ends), server: sumOf(serving), client: sumOf(client) / CLIENTS }
}

/** What of `fedsam run` serves and what is a client's. The rest supervises, which a cluster does by itself. */
export function roleOf(command: string): 'server' | 'client' | null {
  if (/coordinator\/main\.ts|nats-server|versitygw/.test(command)) return 'server'
  if (/worker\/main\.ts|fedsam_client/.test(command)) return 'client'
  return null
}

/** `fedsam run --processes`: coordinator, nats-server, S3 server, and a worker with its trainer for each client. */
export async function runProcesses(bout: Bout): Promise<Measured> {
  return runFedsam(bout, ['--processes'], roleOf)
}

/** `fedsam run`: coordinator and workers in one process, as Flower's simulation has them, and the trainers. */
export async function runLocal(bout: Bout): Promise<Measured> {
  return runFedsam(bout, [], (command) => (command.includes('cli/fedsam.js') ? 'server' : roleOf(command)))
}

async function runFedsam(
  { python, megabytes, rounds, folder }: Bout,
  args: readonly string[],
  role: (command: string) => string | null,
): Promise<Measured> {
  await mkdir(folder, { recursive: true })
  const job = join(folder, 'job.yaml')
  const command = [python, '-m', 'fedsam_client', 'noop:NoopClient', '--arg', `megabytes=${megabytes}`]
  const spec = {
    rounds,
    strategy: { minFitClients: CLIENTS, minAvailableClients: CLIENTS, fractionEvaluate: 0 },
    trainer: { type: 'Command', command: { command } },
    partitions: Array.from({ length: CLIENTS }, (_, i) => ({ name: `site-${i}` })),
  }
  const head = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name: 'noop' } }
  await writeFile(job, JSON.stringify({ ...head, spec }))
  const run = spawn(process.execPath, [CLI, 'run', job, '--json', '--output', join(folder, 'run'), ...args], {
    env: { ...process.env, PYTHONPATH: `${PYTHON_PACKAGE}:${HERE}` },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const memory = watchMemory(run.pid!, role)
  const ends = await endsOfLines(run, (line) => {
    const event = JSON.parse(line) as { event: string; accepted?: readonly string[]; round?: number }
    return event.event === 'RoundCompleted' && (event.accepted ?? []).length === CLIENTS
  })
  const { server, client } = memory.stop()
  return { seconds: between(ends), server: sumOf(server), client: sumOf(client) / CLIENTS }
}

/** When such lines came, once the process has ended. */
async function endsOfLines(child: ChildProcess, counts: (line: string) => boolean): Promise<number[]> {
  const ends: number[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (counts(line)) ends.push(performance.now() / 1000)
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${code}`)
  return ends
}

export function between(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - times[i]!)
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
